/** What is wrong with image.ts's sampling settings together, and with its tools' flags. */
import { guidanceInterval } from "../diffusion/guidance.ts";
import {
  type FlowSamplerName,
  flowSamplerNames,
  isFlowSampler,
  type SamplerName,
  samplerNames,
  type SamplerOption,
  samplerOptions,
} from "../diffusion/samplers/registry.ts";
import type { NoiseSchedule } from "../diffusion/schedules.ts";
import {
  inferenceTimesteps,
  quadraticTimesteps,
  respacedTimesteps,
} from "../diffusion/timesteps.ts";
import { usageError, UserError } from "../base/errors.ts";
import { checkEvaluation, TOOL_FLAGS } from "./check_evaluation.ts";
import { kebabCase } from "../cli/flags.ts";
import { classIndex } from "./config.ts";
import type { ImageConfig, ImageFlags } from "./flags.ts";

type AnySampler = SamplerName | FlowSamplerName;

/** The settings that only some samplers take, each with the option that it becomes. */
const OPTIONS_OF_SAMPLER: Partial<Record<keyof ImageConfig, SamplerOption>> = {
  eta: "eta",
  varianceType: "varianceType",
  solverOrder: "solverOrder",
  sigmaSpacing: "useKarrasSigmas",
  timestepSpacing: "timestepSpacing",
  sampleTimesteps: "timesteps",
  respacing: "timesteps",
  flowShift: "flowShift",
};

/** The samplers that take an option. */
function samplersWith(option: SamplerOption): AnySampler[] {
  return [...samplerNames, ...flowSamplerNames].filter((name) =>
    samplerOptions(name).includes(option)
  );
}

/** The settings that say which steps are taken, in the order in which they win. */
const STEP_FLAGS = ["sampleTimesteps", "respacing", "sampleSteps", "timestepSpacing"] as const;

/** Calls a function whose errors are about a flag, and says so. */
function asUsageError<T>(flag: string, fn: () => T): T {
  try {
    return fn();
  } catch (error) {
    throw error instanceof UserError ? usageError(`${flag}: ${error.message}.`) : error;
  }
}

/**
 * The timesteps that the settings name themselves, if they do.
 *
 * @param numTrainTimesteps T.
 * @returns Strictly falling, each in [0, T).
 * @throws {UserError} With exit code 2, naming the flag.
 */
export function timestepsOf(
  { sampleTimesteps, respacing }: Pick<ImageConfig, "sampleTimesteps" | "respacing">,
  numTrainTimesteps: number,
): number[] | undefined {
  if (sampleTimesteps !== undefined) {
    return asUsageError(
      `--sample-timesteps ${sampleTimesteps}`,
      () => inferenceTimesteps(numTrainTimesteps, { timesteps: sampleTimesteps }),
    );
  }
  if (respacing === undefined) return undefined;
  const [, quadratic] = /^quad(\d+)$/.exec(respacing) ?? [];
  return asUsageError(
    `--respacing ${respacing}`,
    () =>
      quadratic === undefined
        ? respacedTimesteps(numTrainTimesteps, respacing)
        : quadraticTimesteps(numTrainTimesteps, Number(quadratic)),
  );
}

/**
 * The timesteps that are guided, both included, if not all are.
 *
 * @throws {UserError} With exit code 2, naming the flags.
 */
export function guidanceIntervalOf(
  { guidanceLow, guidanceHigh }: Pick<ImageConfig, "guidanceLow" | "guidanceHigh">,
  schedule: NoiseSchedule,
  sampler: AnySampler = "ddim",
): [low: number, high: number] | undefined {
  if (guidanceLow === 0 && guidanceHigh === 0) return undefined;
  if (isFlowSampler(sampler)) return flowInterval(guidanceLow, guidanceHigh, schedule);
  return asUsageError(
    `--guidance-low ${guidanceLow} --guidance-high ${guidanceHigh}`,
    () => guidanceInterval(schedule, guidanceLow, guidanceHigh === 0 ? Infinity : guidanceHigh),
  );
}

/** The same for a flow, in which sigma is time / (1 - time) and a timestep time T. */
function flowInterval(
  low: number,
  high: number,
  { numTrainTimesteps: T }: NoiseSchedule,
): [low: number, high: number] {
  if (high !== 0 && high <= low) {
    throw usageError(
      `--guidance-low ${low} --guidance-high ${high}: give the lower one first, or 0 for no bound.`,
    );
  }
  return [T * low / (1 + low), high === 0 ? T : T * high / (1 + high)];
}

/** What resolveSampling needs to know of a model. */
export interface SampledKind {
  /** Its schedule. */
  readonly schedule: NoiseSchedule;
  /** Whether it has a null class. */
  readonly hasNullClass: boolean;
  /** Whether it gives variances. @default false */
  readonly learnedVariance?: boolean;
}

/**
 * Refuses sampling settings that are sound by themselves and not together, or not with the model.
 *
 * @param given The flags: of what a preset says, a sampler ignores what it does not take; what is asked
 * for and cannot be done is refused.
 * @param model What it is. `config.objective` says whether it is a flow.
 * @returns The settings, with the number of steps that the timesteps make.
 * @throws {UserError} With exit code 2, naming the flags.
 */
export function resolveSampling(
  config: ImageConfig,
  given: ImageFlags,
  { schedule, hasNullClass, learnedVariance = false }: SampledKind,
): ImageConfig {
  const T = schedule.numTrainTimesteps;
  checkObjective(config);
  const [first, second] = STEP_FLAGS.filter((key) => given[key] !== undefined);
  if ((first === "sampleTimesteps" || first === "respacing") && second !== undefined) {
    throw usageError(
      `--${kebabCase(first)} says which steps are taken: leave --${kebabCase(second)} out.`,
    );
  }
  const timesteps = timestepsOf(config, T);
  if (timesteps !== undefined && config.sigmaSpacing !== "timesteps") {
    throw usageError(
      `--sigma-spacing ${config.sigmaSpacing} chooses the steps itself: leave ` +
        `--${kebabCase(first ?? STEP_FLAGS[0])} out.`,
    );
  }
  const sampleSteps = timesteps?.length ?? config.sampleSteps;
  if (sampleSteps > T) {
    throw usageError(
      `--sample-steps ${sampleSteps} is more than the ${T} --timesteps there are: lower it.`,
    );
  }
  for (const [key, option] of Object.entries(OPTIONS_OF_SAMPLER)) {
    if (given[key as keyof ImageFlags] === undefined) continue;
    if (samplerOptions(config.sampler).includes(option)) continue;
    throw usageError(
      `--${kebabCase(key)} is for --sampler ${
        samplersWith(option).join(", ")
      }: ${config.sampler} has no use for it.`,
    );
  }
  const predictsNoise = !isFlowSampler(config.sampler) && schedule.predictionType === "epsilon";
  if (predictsNoise && schedule.alphasCumprod[T - 1] === 0) {
    throw usageError(
      "the model predicts noise and its schedule ends in pure noise, which tells it nothing of the " +
        "image: no sampler can start there. Use another checkpoint.",
    );
  }
  checkGuidance(config, given, { schedule, hasNullClass });
  if (config.sampler === "ddpm" && config.varianceType === "learned_range" && !learnedVariance) {
    throw usageError(
      "--variance-type learned_range needs a model that gives variances: use another, or train with " +
        "--learned-variance.",
    );
  }
  return { ...config, sampleSteps };
}

/** A flow has a sampler of its own. */
function checkObjective({ objective, sampler }: ImageConfig): void {
  const isFlow = objective === "flow_matching";
  if (isFlow === isFlowSampler(sampler)) return;
  throw usageError(
    isFlow
      ? `--sampler ${sampler}: the model was trained by flow matching: use --sampler flow_euler.`
      : `--sampler ${sampler} is for models that were trained with --objective flow_matching: use ` +
        `one of ${samplerNames.join(", ")}.`,
  );
}

function checkGuidance(
  config: ImageConfig,
  given: ImageFlags,
  { schedule, hasNullClass }: SampledKind,
): void {
  const { guidance } = config;
  if (guidance !== 1 && !hasNullClass) {
    throw usageError(
      `--guidance ${guidance} needs a model trained with a null class: use --guidance 1, or train ` +
        "with --class-dropout above 0.",
    );
  }
  for (const key of ["guidanceRescale", "guidanceLow", "guidanceHigh"] as const) {
    if (guidance !== 1 || !given[key]) continue;
    throw usageError(
      `--${kebabCase(key)} ${
        given[key]
      } changes nothing without guidance: give --guidance above 1.`,
    );
  }
  guidanceIntervalOf(config, schedule, config.sampler);
}

/**
 * Refuses flags of `--sample-only` that do not go together, as far as no model is needed to know.
 *
 * @throws {UserError} With exit code 2, naming the flags.
 */
export function checkTools(given: ImageFlags): void {
  checkEvaluation(given);
  if (!given.sampleOnly && given.study === undefined) {
    if (given.checkpoint !== undefined) {
      throw usageError(
        "--checkpoint DIR is what --sample-only and --study draw from: give one of them too.",
      );
    }
    const tool = [...TOOL_FLAGS, "encode" as const].find((key) => given[key]);
    if (tool === undefined && given.fromStep === undefined) return;
    throw usageError(
      `--${
        kebabCase(tool ?? "fromStep")
      } is for --sample-only: give that too, and the weights with ` +
        "--checkpoint.",
    );
  }
  if (given.interpolate !== undefined) {
    classPair(given.interpolate);
    if (given.class !== undefined) {
      throw usageError(`--interpolate ${given.interpolate} names the classes: leave --class out.`);
    }
  }
  if (given.encode) checkEncoding(given);
  if (given.inpaint !== undefined && given.dynamicThreshold) {
    throw usageError(
      "--dynamic-threshold and --inpaint both say what x0 is to be: leave one of them out.",
    );
  }
}

/** What is encoded comes back by the same steps alone: ddim's, without noise, guidance or clipping. */
function checkEncoding(given: ImageFlags): void {
  if (given.interpolate === undefined) {
    throw usageError("--encode is for --interpolate A,B: give that too.");
  }
  const { sampler = "ddim", eta = 0, guidance = 1, dynamicThreshold = 0 } = given;
  const [wrong] = [
    ...sampler === "ddim" ? [] : [`--sampler ${sampler}`],
    ...eta === 0 ? [] : [`--eta ${eta}`],
    ...guidance === 1 ? [] : [`--guidance ${guidance}`],
    ...dynamicThreshold === 0 ? [] : [`--dynamic-threshold ${dynamicThreshold}`],
  ];
  if (wrong === undefined) return;
  throw usageError(
    `--encode goes back and forth by ddim with eta 0 and without guidance: leave ${wrong} out.`,
  );
}

/**
 * The classes that `--interpolate A,B` names.
 *
 * @throws {UserError} With exit code 2 if it does not name two.
 */
export function classPair(text: string): [from: number, to: number] {
  const names = text.split(",").map((name) => name.trim());
  if (names.length !== 2) {
    throw usageError(
      `--interpolate ${text}: must be two classes with a comma between them, such as Sneaker,Bag.`,
    );
  }
  const [from, to] = names.map((name) => classIndex(name, "--interpolate"));
  return [from!, to!];
}
