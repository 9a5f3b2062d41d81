/** Writes and reads diffusers' scheduler_config.json. */
import { inFile, UserError } from "../base/errors.ts";
import { quote } from "../base/quote.ts";
import { DIFFUSERS_VERSION } from "./networks/diffusers_config.ts";
import { varianceTypes } from "./posterior.ts";
import { type FlowSamplerName, isFlowSampler, type SamplerName } from "./samplers/registry.ts";
import type { SamplerOptions } from "./samplers/types.ts";
import {
  betaSchedules,
  makeBetas,
  type NoiseSchedule,
  noiseSchedule,
  predictionTypes,
  type ScheduleConfig,
} from "./schedules.ts";
import { timestepSpacings } from "./timesteps.ts";

/**
 * The samplers' options that diffusers stores in a scheduler's configuration. varianceType is for ddpm only,
 * setAlphaToOne for ddim, flowShift for flow_euler. The default of timestepSpacing is "leading" for all.
 */
export type SchedulerOptions = Pick<
  SamplerOptions,
  | "timestepSpacing"
  | "stepsOffset"
  | "clipSample"
  | "clipSampleRange"
  | "varianceType"
  | "setAlphaToOne"
  | "flowShift"
>;

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

/** dpmpp_sde and dpmpp_multistep have the same class; algorithm_type distinguishes them. */
const CLASS_NAMES: Record<SamplerName | FlowSamplerName, string> = {
  ddpm: "DDPMScheduler",
  ddim: "DDIMScheduler",
  dpmpp_multistep: "DPMSolverMultistepScheduler",
  dpmpp_sde: "DPMSolverMultistepScheduler",
  dpmpp_singlestep: "DPMSolverSinglestepScheduler",
  unipc: "UniPCMultistepScheduler",
  heun: "HeunDiscreteScheduler",
  euler: "EulerDiscreteScheduler",
  euler_ancestral: "EulerAncestralDiscreteScheduler",
  flow_euler: "FlowMatchEulerDiscreteScheduler",
};

/**
 * The content of scheduler_config.json for a schedule and a sampler's options. diffusers'
 * `from_pretrained` then makes the same scheduler. All options of a sampler may be passed; those that the
 * file does not have are left out.
 *
 * @returns A plain object for JSON.stringify, with keys in diffusers' order.
 */
export function schedulerConfig(
  schedule: NoiseSchedule,
  options: SchedulerConfigOptions = {},
): Record<string, unknown> {
  const { sampler = "ddpm", varianceType = "fixed_small", setAlphaToOne = true } = options;
  const { config } = schedule;
  if (isFlowSampler(sampler)) { // no noise schedule; T is the unit of timesteps
    return {
      _class_name: CLASS_NAMES[sampler],
      _diffusers_version: DIFFUSERS_VERSION,
      num_train_timesteps: config.numTrainTimesteps,
      shift: options.flowShift ?? 1,
    };
  }
  // Of diffusers' classes only DDPMScheduler has the sigmoid schedule; the others get its betas.
  const trained = config.trainedBetas ??
    (sampler !== "ddpm" && config.betaSchedule === "sigmoid"
      ? makeBetas(config.betaSchedule, config.numTrainTimesteps, config.betaStart, config.betaEnd)
      : undefined);
  return {
    _class_name: CLASS_NAMES[sampler],
    _diffusers_version: DIFFUSERS_VERSION,
    beta_end: config.betaEnd,
    beta_schedule: config.betaSchedule,
    beta_start: config.betaStart,
    clip_sample: options.clipSample ?? true,
    clip_sample_range: options.clipSampleRange ?? 1,
    dynamic_thresholding_ratio: 0.995,
    num_train_timesteps: config.numTrainTimesteps,
    prediction_type: config.predictionType,
    rescale_betas_zero_snr: config.rescaleBetasZeroSnr,
    sample_max_value: 1,
    ...(sampler === "ddim" ? { set_alpha_to_one: setAlphaToOne } : {}),
    steps_offset: options.stepsOffset ?? 0,
    thresholding: false,
    timestep_spacing: options.timestepSpacing ?? "leading",
    trained_betas: trained === undefined ? null : Array.from(trained),
    ...(sampler === "ddpm" ? { variance_type: varianceType } : {}),
    ...(sampler === "dpmpp_sde" ? { algorithm_type: "sde-dpmsolver++" } : {}),
  };
}

/** Reads typed values from an object, with defaults for values that are missing or null. */
function reader(json: unknown, where: string) {
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw new UserError(`${where} holds no JSON object; expected diffusers' scheduler settings`);
  }
  const values = json as Record<string, unknown>;
  function read<T>(key: string, kind: string, test: (v: unknown) => boolean, fallback: T): T {
    const value = values[key] ?? fallback;
    if (value === fallback || test(value)) return value as T;
    throw new UserError(`${where}: ${key} is ${quote(value)}; it must be ${kind}`);
  }
  const isNumber = (v: unknown) => typeof v === "number" && Number.isFinite(v);
  return {
    number: (key: string, fallback: number) => read(key, "a number", isNumber, fallback),
    positive: (key: string, fallback: number) =>
      read(key, "a number above 0", (v) => isNumber(v) && Number(v) > 0, fallback),
    count: (key: string, fallback: number) =>
      read(key, "a whole number", (v) => Number.isSafeInteger(v) && Number(v) >= 0, fallback),
    boolean: (key: string, fallback: boolean) =>
      read(key, "true or false", (v) => typeof v === "boolean", fallback),
    numbers: (key: string) =>
      read<number[] | undefined>(
        key,
        "a list of numbers",
        (v) => Array.isArray(v) && v.every(isNumber),
        undefined,
      ),
    oneOf: <T extends string>(key: string, allowed: readonly T[], fallback: T): T =>
      read<T>(key, `one of ${allowed.join(", ")}`, (v) => allowed.includes(v as T), fallback),
    text: (key: string) =>
      read<string | undefined>(key, "text", (v) => typeof v === "string", undefined),
  };
}

/**
 * Reads the content of a scheduler_config.json that diffusers or {@linkcode schedulerConfig} wrote.
 * Missing values have diffusers' defaults; unknown keys are ignored, as in diffusers.
 *
 * @param json The parsed file.
 * @param where The file's name in error messages.
 * @throws {UserError} If it is no object, a value has the wrong type, or it needs something that is not
 * supported: another scheduler class, variances learned without a range, dynamic thresholding.
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
  const read = reader(json, where);
  const className = read.text("_class_name");
  const sde = read.text("algorithm_type") === "sde-dpmsolver++";
  const sampler = sde && className === CLASS_NAMES.dpmpp_sde
    ? "dpmpp_sde"
    : (Object.keys(CLASS_NAMES) as (keyof typeof CLASS_NAMES)[]).find((name) =>
      CLASS_NAMES[name] === className
    );
  if (className !== undefined && sampler === undefined) {
    throw new UserError(
      `${where}: _class_name is ${quote(className)}; supported are ` +
        [...new Set(Object.values(CLASS_NAMES))].join(", "),
    );
  }
  if (read.boolean("thresholding", false)) {
    throw new UserError(`${where}: thresholding is true; dynamic thresholding is not supported`);
  }
  const schedule: ScheduleConfig = {
    numTrainTimesteps: read.number("num_train_timesteps", 1000),
    betaStart: read.number("beta_start", 0.0001),
    betaEnd: read.number("beta_end", 0.02),
    betaSchedule: read.oneOf("beta_schedule", betaSchedules, "linear"),
    trainedBetas: read.numbers("trained_betas"),
    rescaleBetasZeroSnr: read.boolean("rescale_betas_zero_snr", false),
    predictionType: read.oneOf("prediction_type", predictionTypes, "epsilon"),
  };
  inFile(where, () => noiseSchedule(schedule));
  return {
    sampler,
    schedule,
    options: {
      timestepSpacing: read.oneOf("timestep_spacing", timestepSpacings, "leading"),
      stepsOffset: read.count("steps_offset", 0),
      clipSample: read.boolean("clip_sample", true),
      clipSampleRange: read.positive("clip_sample_range", 1),
      varianceType: read.oneOf("variance_type", varianceTypes, "fixed_small"),
      setAlphaToOne: read.boolean("set_alpha_to_one", true),
      flowShift: read.positive("shift", 1),
    },
  };
}
