/** Writes and reads diffusers' scheduler_config.json. */
import { inFile, usageError, UserError } from "../base/errors.ts";
import { canonicalJson, type JsonValue } from "../base/json.ts";
import { quote } from "../base/quote.ts";
import { DIFFUSERS_VERSION } from "./networks/diffusers_config.ts";
import { type VarianceType, varianceTypes } from "./posterior.ts";
import {
  type FlowSamplerName,
  isFlowSampler,
  type SamplerName,
  samplerOptions,
} from "./samplers/registry.ts";
import {
  algorithmTypes,
  finalSigmasTypes,
  type SamplerOptions,
  type SolverType,
  solverTypes,
} from "./samplers/types.ts";
import {
  CLASS_NAMES,
  SCHEDULER_DEFAULTS,
  type SchedulerClass,
  WITHOUT_EFFECT,
} from "./scheduler_classes.ts";
import {
  type BetaSchedule,
  betaSchedules,
  makeBetas,
  type NoiseSchedule,
  noiseSchedule,
  type PredictionType,
  predictionTypes,
  type ScheduleConfig,
} from "./schedules.ts";
import { timestepSpacings } from "./timesteps.ts";

/** The samplers' options that diffusers stores in a scheduler's configuration. */
export type SchedulerOptions = Pick<
  SamplerOptions,
  | "timestepSpacing"
  | "stepsOffset"
  | "clipSample"
  | "clipSampleRange"
  | "varianceType"
  | "setAlphaToOne"
  | "useKarrasSigmas"
  | "useExponentialSigmas"
  | "finalSigmasType"
  | "solverOrder"
  | "solverType"
  | "algorithmType"
  | "lowerOrderFinal"
  | "eulerAtFinal"
  | "flowShift"
>;
type OptionName = keyof SchedulerOptions;

/** Kinds of values, in words, with their tests. */
const KINDS = {
  number: ["a number", Number.isFinite],
  positive: ["a number above 0", (v: unknown) => Number.isFinite(v) && Number(v) > 0],
  count: ["a whole number", (v: unknown) => Number.isSafeInteger(v) && Number(v) >= 0],
  boolean: ["true or false", (v: unknown) => typeof v === "boolean"],
  numbers: ["a list of numbers", (v: unknown) => Array.isArray(v) && v.every(Number.isFinite)],
} as const satisfies Record<string, readonly [string, (value: unknown) => boolean]>;
type Kind = keyof typeof KINDS | readonly unknown[];

/**
 * The options in the file: the key, what diffusers' classes do that lack it (or, for an option of other
 * samplers, its default), and the allowed values or their kind.
 */
const OPTIONS = {
  timestepSpacing: ["timestep_spacing", "linspace", timestepSpacings],
  stepsOffset: ["steps_offset", 0, "count"],
  clipSample: ["clip_sample", false, "boolean"],
  clipSampleRange: ["clip_sample_range", 1, "positive"],
  varianceType: ["variance_type", "fixed_small", varianceTypes],
  setAlphaToOne: ["set_alpha_to_one", true, "boolean"],
  useKarrasSigmas: ["use_karras_sigmas", false, "boolean"],
  useExponentialSigmas: ["use_exponential_sigmas", false, "boolean"],
  finalSigmasType: ["final_sigmas_type", "zero", finalSigmasTypes],
  solverOrder: ["solver_order", 2, [1, 2, 3]],
  solverType: ["solver_type", "midpoint", solverTypes],
  algorithmType: ["algorithm_type", "dpmsolver++", algorithmTypes],
  lowerOrderFinal: ["lower_order_final", true, "boolean"],
  eulerAtFinal: ["euler_at_final", false, "boolean"],
  flowShift: ["shift", 1, "positive"],
} as const satisfies Record<OptionName, readonly [key: string, without: unknown, kind: Kind]>;
const OPTION_NAMES = Object.keys(OPTIONS) as OptionName[];

/** Settings of {@linkcode schedulerConfig}. */
export interface SchedulerConfigOptions extends SchedulerOptions {
  /** The sampler, which determines diffusers' class. @default {"ddpm"} */
  sampler?: SamplerName | FlowSamplerName;
}

/** The content of a file, see {@linkcode fromSchedulerConfig}. */
export interface SchedulerSettings {
  /** The sampler of `_class_name`, if the file has one. */
  readonly sampler: SamplerName | FlowSamplerName | undefined;
  /** The settings of noiseSchedule. */
  readonly schedule: ScheduleConfig;
  /** The sampler's options with defaults filled in; the file has no numInferenceSteps and no eta. */
  readonly options: Required<SchedulerOptions>;
}

/**
 * The content of scheduler_config.json for a schedule and a sampler's options. diffusers'
 * `from_pretrained` then makes a scheduler that samples alike. Options that are not given have the
 * sampler's defaults, except that diffusers' solvers and Euler methods do not clip. All options may be
 * passed; those that the sampler does not take are left out, as are those that no scheduler stores.
 *
 * @returns A plain object for JSON.stringify, with keys in diffusers' order.
 * @throws {UserError} If diffusers' class lacks an option that is given, and does something else.
 */
export function schedulerConfig(
  schedule: NoiseSchedule,
  options: SchedulerConfigOptions = {},
): Record<string, unknown> {
  const { sampler = "ddpm" } = options;
  const { config } = schedule;
  const className = CLASS_NAMES[sampler];
  const defaults = SCHEDULER_DEFAULTS[className];
  const values: Record<string, unknown> = {
    ...defaults,
    ...optionValues(options, sampler, className),
    beta_end: config.betaEnd,
    beta_schedule: config.betaSchedule,
    beta_start: config.betaStart,
    num_train_timesteps: config.numTrainTimesteps,
    prediction_type: config.predictionType,
    rescale_betas_zero_snr: config.rescaleBetasZeroSnr,
    trained_betas: config.trainedBetas ?? betasThatClassLacks(config, className),
  };
  if (config.rescaleBetasZeroSnr && !isFlowSampler(sampler)) {
    requireKey(className, "rescale_betas_zero_snr", "rescaleBetasZeroSnr", true);
  }
  // JSON has no -Infinity, the default of lambda_min_clipped.
  const keys = Object.keys(defaults).filter((key) => values[key] !== -Infinity).sort();
  return {
    _class_name: className,
    _diffusers_version: DIFFUSERS_VERSION,
    ...Object.fromEntries(keys.map((key) => [key, values[key]])),
  };
}

/** The options that a sampler takes, as diffusers' class stores them. */
function optionValues(
  options: SchedulerConfigOptions,
  sampler: SamplerName | FlowSamplerName,
  className: SchedulerClass,
): Record<string, unknown> {
  const taken = samplerOptions(sampler);
  const defaults = SCHEDULER_DEFAULTS[className];
  // The samplers' defaults that are not those of every class.
  const values: Record<string, unknown> = { clip_sample: true, lower_order_final: true };
  for (const name of OPTION_NAMES) {
    const value = options[name];
    if (value === undefined || !taken.includes(name)) continue;
    const [key, without] = OPTIONS[name];
    const unclipped = name === "clipSampleRange" && !("clip_sample" in defaults);
    if (value !== without && !unclipped) requireKey(className, key, name, value);
    values[key] = value;
  }
  if (sampler === "dpmpp_sde") values["algorithm_type"] = "sde-dpmsolver++";
  // A model that predicts variances has twice the channels, of which diffusers' solvers drop half.
  if (options.varianceType === "learned_range") values["variance_type"] = "learned_range";
  if (!variantsOf(className).some((type) => type === values["solver_type"])) {
    values["solver_type"] = defaults["solver_type"];
  }
  return values;
}

function requireKey(className: SchedulerClass, key: string, name: string, value: unknown): void {
  if (key in SCHEDULER_DEFAULTS[className]) return;
  throw usageError(
    `${name} is ${
      quote(value)
    }, but diffusers' ${className} has no ${key}: choose another sampler ` +
      `for the file, or leave ${name} out`,
  );
}

/** The variants of a solver; the other solver's mean its default, as in diffusers. */
function variantsOf(className: SchedulerClass): readonly SolverType[] {
  return className === "UniPCMultistepScheduler" ? ["bh1", "bh2"] : ["midpoint", "heun"];
}

/** The betas of a schedule that diffusers' class does not have by name, or null. */
function betasThatClassLacks(
  { betaSchedule, numTrainTimesteps, betaStart, betaEnd }: NoiseSchedule["config"],
  className: SchedulerClass,
): number[] | null {
  const known = ["linear", "scaled_linear", "squaredcos_cap_v2"];
  if (className === "DDPMScheduler") known.push("sigmoid");
  if (known.includes(betaSchedule)) return null;
  return Array.from(makeBetas(betaSchedule, numTrainTimesteps, betaStart, betaEnd));
}

/** Reads typed values of a file. Missing values and null have the class's default. */
function reader(
  values: Readonly<Record<string, unknown>>,
  defaults: Readonly<Record<string, unknown>>,
  where: string,
) {
  return <T>(key: string, kind: Kind, without: T): T => {
    if (!(key in defaults)) return without; // diffusers ignores it too
    const value = values[key] ?? defaults[key];
    const [what, test] = typeof kind === "string"
      ? KINDS[kind]
      : [`one of ${kind.join(", ")}`, (value: unknown) => kind.includes(value)];
    if (value === defaults[key] || test(value)) return value as T;
    throw new UserError(`${where}: ${key} is ${quote(value)}; it must be ${what}`);
  };
}

/**
 * Reads the content of a scheduler_config.json that diffusers or {@linkcode schedulerConfig} wrote.
 * Missing values have the defaults of diffusers' class; keys that the class does not have are ignored, as
 * in diffusers. `predict_epsilon` of old files stands for the prediction type if the file has none.
 *
 * @param json The parsed file. Without `_class_name` it is read as that of DDPMScheduler.
 * @param where The file's name in error messages.
 * @throws {UserError} If it is no object, a value has the wrong type, or it needs something that is not
 * supported: another scheduler class, or a setting of the class with another value than its default that no
 * sampler has, such as `algorithm_type` "dpmsolver". The message names it.
 *
 * @example
 * ```ts
 * import { samplerOf } from "./samplers/registry.ts";
 * import { fromSchedulerConfig } from "./scheduler_config.ts";
 * import { noiseSchedule } from "./schedules.ts";
 *
 * const json = JSON.parse(`{ "_class_name": "DDIMScheduler", "beta_schedule": "squaredcos_cap_v2" }`);
 * const { sampler = "ddpm", schedule, options } = fromSchedulerConfig(json);
 * const denoise = (x: Float32Array) => Promise.resolve(x); // takes everything for noise
 * samplerOf(sampler)(denoise, new Float32Array(4), noiseSchedule(schedule), options);
 * ```
 */
export function fromSchedulerConfig(
  json: unknown,
  where = "scheduler_config.json",
): SchedulerSettings {
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw new UserError(`${where} holds no JSON object; expected diffusers' scheduler settings`);
  }
  const values = json as Record<string, unknown>;
  const named = samplerOfClass(values["_class_name"] ?? undefined, where);
  const className = CLASS_NAMES[named ?? "ddpm"];
  const defaults = SCHEDULER_DEFAULTS[className];
  const read = reader(values, defaults, where);
  const { predict_epsilon: predictsEpsilon } = values;
  const prediction = predictsEpsilon === false && values["prediction_type"] === undefined
    ? "sample"
    : read<PredictionType>("prediction_type", predictionTypes, "epsilon");
  const schedule: ScheduleConfig = {
    numTrainTimesteps: read("num_train_timesteps", "number", 1000),
    betaStart: read("beta_start", "number", 0.0001),
    betaEnd: read("beta_end", "number", 0.02),
    betaSchedule: read<BetaSchedule>("beta_schedule", betaSchedules, "linear"),
    trainedBetas: read<number[] | null>("trained_betas", "numbers", null) ?? undefined,
    rescaleBetasZeroSnr: read("rescale_betas_zero_snr", "boolean", false),
    predictionType: prediction,
  };
  const { alphasCumprod } = inFile(where, () => noiseSchedule(schedule));
  const options = readOptions(read, values, className);
  checkOthers(values, named ?? "ddpm", where, alphasCumprod.at(-1)!);
  const sde = named === "dpmpp_multistep" && options.algorithmType === "sde-dpmsolver++";
  return { sampler: sde ? "dpmpp_sde" : named, schedule, options };
}

/** The first sampler of a class; undefined for none. */
function samplerOfClass(className: unknown, where: string) {
  if (className === undefined) return undefined;
  const samplers = Object.keys(CLASS_NAMES) as (keyof typeof CLASS_NAMES)[];
  const found = samplers.find((name) => CLASS_NAMES[name] === className);
  if (found !== undefined) return found;
  throw new UserError(
    `${where}: _class_name is ${quote(className)}; supported are ` +
      [...new Set(Object.values(CLASS_NAMES))].join(", "),
  );
}

/** The options of a class's sampler. */
function readOptions(
  read: ReturnType<typeof reader>,
  values: Readonly<Record<string, unknown>>,
  className: SchedulerClass,
): Required<SchedulerOptions> {
  const entries = OPTION_NAMES.filter((name) => name !== "varianceType").map((name) => {
    const [key, without, kind] = OPTIONS[name];
    return [name, read(key, kind, without)];
  });
  const options = Object.fromEntries(entries) as Required<Omit<SchedulerOptions, "varianceType">>;
  const { solverType } = options;
  return {
    ...options,
    solverType: variantsOf(className).includes(solverType)
      ? solverType
      : SCHEDULER_DEFAULTS[className]["solver_type"] as SolverType,
    varianceType: readVarianceType(read, values, className),
  };
}

/** The variance of ddpm. In files of other classes it says whether the model predicts variances. */
function readVarianceType(
  read: ReturnType<typeof reader>,
  values: Readonly<Record<string, unknown>>,
  className: SchedulerClass,
): VarianceType {
  const [key, none, kind] = OPTIONS.varianceType;
  if (className === "DDPMScheduler") return read<VarianceType>(key, kind, none);
  const { [key]: value } = values;
  return value === "learned" || value === "learned_range" ? "learned_range" : none;
}

/** Refuses what no sampler does: other values of the class's further settings than the defaults. */
function checkOthers(
  values: Readonly<Record<string, unknown>>,
  sampler: SamplerName | FlowSamplerName,
  where: string,
  lastAlphaCumprod: number,
): void {
  const taken = samplerOptions(sampler);
  const carried = OPTION_NAMES.filter((name) => taken.includes(name) || name === "varianceType")
    .map((name) => OPTIONS[name][0]);
  const known: string[] = [...carried, ...SCHEDULE_KEYS, ...WITHOUT_EFFECT];
  const text = (value: unknown) =>
    value === -Infinity ? "-Infinity" : canonicalJson(value as JsonValue);
  // diffusers begins at the first timestep whose half log SNR is not below lambda_min_clipped: the last one
  // here, so that nothing is clipped.
  const lambda = Math.log(lastAlphaCumprod / (1 - lastAlphaCumprod)) / 2;
  for (const [key, value] of Object.entries(SCHEDULER_DEFAULTS[CLASS_NAMES[sampler]])) {
    const given = values[key] ?? value;
    if (known.includes(key) || text(given) === text(value)) continue;
    if (key === "lambda_min_clipped" && typeof given === "number" && given <= lambda) continue;
    throw new UserError(
      `${where}: ${key} is ${quote(given)}, which is not supported; only ${text(value)} is`,
    );
  }
}

const SCHEDULE_KEYS = [
  "num_train_timesteps",
  "beta_start",
  "beta_end",
  "beta_schedule",
  "trained_betas",
  "rescale_betas_zero_snr",
  "prediction_type",
] as const;
