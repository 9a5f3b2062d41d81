/** Sampling settings: one check against flags and model, and their translation for the library. */
import { usageError, UserError } from "../base/errors.ts";
import { kebabCase } from "../cli/flag_kinds.ts";
import { dynamicThreshold } from "../diffusion/dynamic_threshold.ts";
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
import type { SchedulerOptions } from "../diffusion/scheduler_config.ts";
import type { NoiseSchedule } from "../diffusion/schedules.ts";
import {
  inferenceTimesteps,
  quadraticTimesteps,
  respacedTimesteps,
} from "../diffusion/timesteps.ts";
import { type ImageKind, pixelsOf } from "../datasets/image_set.ts";
import { nullClassOf } from "./class_labels.ts";
import type { ImageConfig, ImageFlags } from "./flags.ts";
import type { SamplingOptions } from "./sampling/samples.ts";

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

/** The settings that a sampler does not take. */
export function unusedOptions(
  sampler: SamplerName | FlowSamplerName,
): readonly (keyof ImageConfig)[] {
  const taken = samplerOptions(sampler);
  return Object.entries(OPTIONS_OF_SAMPLER)
    .filter(([, option]) => !taken.includes(option))
    .map(([key]) => key as keyof ImageConfig);
}

/** The settings that choose the timesteps, in the order of precedence. */
const STEP_FLAGS = ["sampleTimesteps", "respacing", "sampleSteps", "timestepSpacing"] as const;

/** Calls a function and reports its errors as errors of a flag. */
function asUsageError<T>(flag: string, fn: () => T): T {
  try {
    return fn();
  } catch (error) {
    throw error instanceof UserError ? usageError(`${flag}: ${error.message}.`) : error;
  }
}

/** The timesteps that `--sample-timesteps` or `--respacing` set, strictly decreasing and in [0, T). */
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

/** The lowest and the highest timestep that are guided; undefined for all timesteps. */
export function guidanceIntervalOf(
  { guidanceLow, guidanceHigh }: Pick<ImageConfig, "guidanceLow" | "guidanceHigh">,
  schedule: NoiseSchedule,
  sampler: SamplerName | FlowSamplerName = "ddim",
): [low: number, high: number] | undefined {
  if (guidanceLow === 0 && guidanceHigh === 0) return undefined;
  const flags = `--guidance-low ${guidanceLow} --guidance-high ${guidanceHigh}`;
  const high = guidanceHigh === 0 ? Infinity : guidanceHigh;
  if (!isFlowSampler(sampler)) {
    return asUsageError(flags, () => guidanceInterval(schedule, guidanceLow, high));
  }
  if (high <= guidanceLow) {
    throw usageError(`${flags}: give the lower one first, or 0 for no bound.`);
  }
  // For a flow, sigma is time / (1 - time), and a timestep is T times the time.
  const T = schedule.numTrainTimesteps;
  return [T * guidanceLow / (1 + guidanceLow), high === Infinity ? T : T * high / (1 + high)];
}

/**
 * Refuses sampling settings that contradict each other or the model. Settings of a preset that the sampler
 * does not take are ignored; flags that it does not take are refused.
 *
 * @param config All settings; `objective` is that of the model.
 * @returns The settings, with `sampleSteps` equal to the number of timesteps.
 */
export function resolveSampling(
  config: ImageConfig,
  given: ImageFlags,
  { schedule, hasNullClass, learnedVariance = false }: {
    readonly schedule: NoiseSchedule;
    readonly hasNullClass: boolean;
    readonly learnedVariance?: boolean | undefined;
  },
): ImageConfig {
  checkObjective(config);
  const sampleSteps = countSteps(config, given, schedule.numTrainTimesteps);
  checkSamplerOptions(config, given, learnedVariance);
  checkStart(config, schedule);
  checkGuidance(config, given, schedule, hasNullClass);
  return { ...config, sampleSteps };
}

/** The number of steps, after checks of the flags that choose them. */
function countSteps(config: ImageConfig, given: ImageFlags, T: number): number {
  const [first, second] = STEP_FLAGS.filter((key) => given[key] !== undefined);
  if ((first === "sampleTimesteps" || first === "respacing") && second !== undefined) {
    throw usageError(`--${kebabCase(first)} sets the timesteps: leave --${kebabCase(second)} out.`);
  }
  const timesteps = timestepsOf(config, T);
  if (timesteps !== undefined && config.sigmaSpacing !== "timesteps") {
    throw usageError(
      `--sigma-spacing ${config.sigmaSpacing} sets the noise levels itself: leave ` +
        `--${kebabCase(first ?? STEP_FLAGS[0])} out.`,
    );
  }
  const sampleSteps = timesteps?.length ?? config.sampleSteps;
  if (sampleSteps > T) {
    throw usageError(
      `--sample-steps ${sampleSteps}: the model has ${T} timesteps; give at most ${T}.`,
    );
  }
  return sampleSteps;
}

/** Refuses flags that the sampler does not take, and variances that the model does not predict. */
function checkSamplerOptions(
  config: ImageConfig,
  given: ImageFlags,
  learnedVariance: boolean,
): void {
  const unused = unusedOptions(config.sampler).find((key) => given[key] !== undefined);
  if (unused !== undefined) {
    const others = [...samplerNames, ...flowSamplerNames]
      .filter((name) => !unusedOptions(name).includes(unused)).join(", ");
    throw usageError(
      `--${kebabCase(unused)} is for --sampler ${others}: ${config.sampler} does not take it.`,
    );
  }
  if (config.sampler === "ddpm" && config.varianceType === "learned_range" && !learnedVariance) {
    throw usageError(
      "--variance-type learned_range needs a model that predicts variances: use another type, or " +
        "train with --learned-variance.",
    );
  }
}

/** Refuses to start from pure noise with a model that predicts noise: x0 does not follow from it. */
function checkStart({ sampler }: ImageConfig, schedule: NoiseSchedule): void {
  if (isFlowSampler(sampler) || schedule.predictionType !== "epsilon") return;
  if (schedule.alphasCumprod.at(-1) !== 0) return;
  throw usageError(
    "the model predicts noise and its schedule ends in pure noise, from which no x0 follows: no " +
      "sampler can start there. Use another checkpoint.",
  );
}

function checkObjective({ objective, sampler }: ImageConfig): void {
  const isFlow = objective === "flow_matching";
  if (isFlow === isFlowSampler(sampler)) return;
  throw usageError(
    isFlow
      ? `--sampler ${sampler}: the model was trained with flow matching: use --sampler flow_euler.`
      : `--sampler ${sampler} is for models trained with --objective flow_matching: use ` +
        `one of ${samplerNames.join(", ")}.`,
  );
}

function checkGuidance(
  config: ImageConfig,
  given: ImageFlags,
  schedule: NoiseSchedule,
  hasNullClass: boolean,
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
      `--${kebabCase(key)} ${given[key]} has no effect without guidance: give --guidance above 1.`,
    );
  }
  guidanceIntervalOf(config, schedule, config.sampler);
}

/** The share of signal in the variance of the first step above which pure noise is no sample there. */
const MOST_SIGNAL = 0.01;
const MOST_GUIDANCE = 20;
/** Samplers that extrapolate from earlier steps, and the factor by which a step may exceed the one before. */
const MULTISTEP: readonly string[] = ["dpmpp_multistep", "dpmpp_sde", "unipc"];
const MOST_GROWTH = 10;

/** What is allowed and makes bad pictures, in sentences. */
export function samplingWarnings(
  config: ImageConfig,
  { schedule, learnedVariance }: { schedule: NoiseSchedule; learnedVariance: boolean },
): string[] {
  const { sampler, guidance, sigmaSpacing, sampleSteps, timestepSpacing } = config;
  const T = schedule.numTrainTimesteps;
  const warnings: string[] = [];
  if (guidance > MOST_GUIDANCE) {
    warnings.push(
      `--guidance ${guidance}: above ${MOST_GUIDANCE} samples mostly turn into noise.`,
    );
  }
  if (learnedVariance && (sampler !== "ddpm" || config.varianceType !== "learned_range")) {
    warnings.push(
      "the network predicts variances, which only --sampler ddpm uses, with --variance-type " +
        "learned_range.",
    );
  }
  if (isFlowSampler(sampler) || sigmaSpacing !== "timesteps") return warnings;
  const timesteps = timestepsOf(config, T) ??
    inferenceTimesteps(T, { numInferenceSteps: sampleSteps, timestepSpacing });
  const signal = schedule.alphasCumprod[timesteps[0]!]!;
  if (signal > MOST_SIGNAL) {
    warnings.push(
      `sampling begins at timestep ${timesteps[0]} of ${T}, where ${(100 * signal).toFixed(0)} % ` +
        "of the variance is signal, but it starts from pure noise: begin nearer to the last " +
        "timestep, as --timestep-spacing trailing does.",
    );
  }
  const strides = timesteps.slice(1).map((timestep, i) => timesteps[i]! - timestep);
  const growth = Math.max(...strides.slice(1).map((stride, i) => stride / strides[i]!));
  if (MULTISTEP.includes(sampler) && growth > MOST_GROWTH) {
    warnings.push(
      `--sampler ${sampler} extrapolates from the step before, but a step of these timesteps is ` +
        `${growth.toFixed(0)} times as long as the one before: use ddim or euler.`,
    );
  }
  return warnings;
}

export interface SampledModel extends Pick<SamplingOptions, "parameters" | "config" | "schedule"> {
  /** The sampler's options in its checkpoint. */
  readonly samplerOptions?: SchedulerOptions | undefined;
  /** The images that it makes. */
  readonly images: ImageKind;
}

/** The settings that {@linkcode resolveSampling} returned, as the library takes them. */
export function samplingOptionsOf(model: SampledModel, config: ImageConfig): SamplingOptions {
  const { schedule, images: { channels, classNames } } = model;
  const { sampler, sampleSteps, timestepSpacing, dynamicThreshold: quantile } = config;
  const { eta, varianceType, solverOrder, flowShift, sigmaSpacing } = config;
  const timesteps = timestepsOf(config, schedule.numTrainTimesteps);
  return {
    parameters: model.parameters,
    config: model.config,
    channels,
    schedule,
    sampler,
    samplerOptions: {
      ...model.samplerOptions,
      ...(timesteps === undefined
        ? { numInferenceSteps: sampleSteps, timestepSpacing }
        : { timesteps }),
      eta,
      varianceType,
      solverOrder,
      flowShift,
      channels,
      useKarrasSigmas: sigmaSpacing === "karras",
      useExponentialSigmas: sigmaSpacing === "exponential",
      // diffusers' file of a flow cannot say that x0 is clipped; training's samples are.
      ...isFlowSampler(sampler) && { clipSample: true },
      previousTimestep: "next",
      slopeVariable: "angle", // sigma is unbounded on cosine schedules
      useClippedModelOutput: true, // without it guidance acts backwards
      ...(quantile === 0 ? {} : {
        clipSample: false, // clipping comes first and would leave nothing to scale
        constrainX0: (x0) =>
          dynamicThreshold(x0, {
            sampleSize: pixelsOf(model.images),
            dynamicThresholdingRatio: quantile,
          }),
      }),
    },
    nullClass: nullClassOf(model.config, classNames.length),
    guidance: {
      guidanceScale: config.guidance,
      guidanceRescale: config.guidanceRescale,
      interval: guidanceIntervalOf(config, schedule, sampler),
    },
  };
}
