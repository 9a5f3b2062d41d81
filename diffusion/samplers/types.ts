/** The interface of samplers: the denoiser, the options, the steps and the sampler itself. */
import { UserError } from "../../base/errors.ts";
import type { VarianceType } from "../posterior.ts";
import type { NoiseSchedule } from "../schedules.ts";
import type { PreviousTimestepRule, TimestepOptions } from "../timesteps.ts";

/**
 * A denoiser with its condition filled in.
 *
 * @param x Noisy samples [B, ...], flat; they must not be changed.
 * @param timestep The timestep of all samples, in [0, T). It is not always an integer, see
 * {@linkcode continuousTimesteps}.
 * @returns [B, ...], in the predictionType of the schedule.
 */
export type Denoiser = (x: Float32Array, timestep: number) => Promise<Float32Array>;

/** One step of a sampler. The receiver may change its arrays. */
export interface SamplerStep {
  /** The step's number, from 0. The denoiser is called once per step. */
  readonly step: number;
  /** The timestep that the denoiser was called with. */
  readonly timestep: number;
  /** The samples after the step [B, ...], flat, scaled to a variance of about 1 at every noise level. */
  readonly sample: Float32Array;
  /** The clean samples that follow from the denoiser's output, clipped if so set [B, ...]. */
  readonly predictedX0: Float32Array;
}

/** The steps of a sampler, one after the other. */
export type SamplerSteps = AsyncGenerator<SamplerStep, void, undefined>;

/**
 * A sampler turns noise into samples and yields every step. Arguments are checked when the first step is
 * requested.
 *
 * @param denoise The model.
 * @param xT Standard normal numbers [B, ...], flat, or a sample at the noise level of the first step; not
 * changed.
 * @param schedule The schedule that the model was trained with.
 * @param options Settings; a sampler ignores those that it does not take, see samplerOptions().
 * @throws {UserError} If an option is out of range, or the denoiser's output has the wrong length or is
 * not finite.
 */
export type Sampler = (
  denoise: Denoiser,
  xT: Float32Array,
  schedule: NoiseSchedule,
  options?: SamplerOptions,
) => SamplerSteps;

/** The settings of all samplers, named as in diffusers where it has them. */
export interface SamplerOptions
  extends CommonOptions, AncestralOptions, SigmaOptions, SolverOptions, FlowOptions {}

/** Settings that most samplers share. */
export interface CommonOptions extends TimestepOptions {
  /** Whether predictions of x0 are clipped. @default {true} */
  clipSample?: boolean;
  /** The largest magnitude of a clipped x0, positive. @default {1} */
  clipSampleRange?: number;
  /**
   * Replaces every predicted x0, after clipping; the predicted noise is computed anew from the result.
   * Inpainting and dynamic thresholding use it.
   *
   * @param x0 [B, ...], flat.
   * @returns [B, ...]
   */
  constrainX0?: (x0: Float32Array) => Float32Array;
  /**
   * Returns the standard normal numbers of a step, counted from 0. It is called once per step that adds
   * noise and is required for such steps.
   */
  noise?: (length: number, step: number) => Float32Array;
  /**
   * The number of steps to skip, the noisiest first. xT is then a sample at the noise level of the first
   * remaining step, unless initialSample is given. @default {0}
   */
  startStep?: number;
  /** Clean samples [B, ...] to start from: xT is added as noise of the first step's level. */
  initialSample?: Float32Array;
}

/** Settings of ddpm and ddim. */
export interface AncestralOptions {
  /**
   * ddpm: the variance of the noise that a step adds. "learned_range" needs `channels` and a model that
   * predicts variances, see learned_variance.ts. @default {"fixed_small"}
   */
  varianceType?: VarianceType;
  /** ddpm: the size of the samples' last axis, for "learned_range". */
  channels?: number;
  /** ddim: 0 adds no noise, 1 as much as ddpm; in [0, 1]. @default {0} */
  eta?: number;
  /**
   * ddim: whether the noise is computed anew from the clipped x0, so that both still add up to x_t.
   * Otherwise the part of x0 that is clipped stays in the noise with the opposite sign, and guided
   * samples, whose x0 is clipped often, drift away from the condition. @default {false}
   */
  useClippedModelOutput?: boolean;
  /**
   * ddim: whether the last step leads to a clean sample (alphasCumprod 1) rather than to timestep 0's
   * noise level. @default {true}
   */
  setAlphaToOne?: boolean;
  /**
   * ddim: the rule for the timestep that a step leads to, see {@linkcode previousTimesteps}. Custom
   * timesteps always use "next". @default {"stride"}
   */
  previousTimestep?: PreviousTimestepRule;
}

/** Settings of the samplers that integrate over sigma: all except ddpm, ddim and flow_euler. */
export interface SigmaOptions {
  /** Whether sigmas are spaced as in Karras et al. (2022), see karrasSigmas. @default {false} */
  useKarrasSigmas?: boolean;
  /** Whether the logarithms of sigmas are evenly spaced, see exponentialSigmas. @default {false} */
  useExponentialSigmas?: boolean;
  /** Where the last step leads. @default {"zero"} */
  finalSigmasType?: FinalSigmasType;
  /** heun: the variable over which slopes are averaged. @default {"sigma"} */
  slopeVariable?: SlopeVariable;
}

/** Variables over which Heun's method averages slopes: sigma, or arctan(sigma), which is bounded. */
export const slopeVariables = ["sigma", "angle"] as const;
/** A name of {@linkcode slopeVariables}. */
export type SlopeVariable = typeof slopeVariables[number];

/** Where the last step leads: to a clean sample, or to timestep 0's noise level. */
export const finalSigmasTypes = ["zero", "sigma_min"] as const;
/** A name of {@linkcode finalSigmasTypes}. */
export type FinalSigmasType = typeof finalSigmasTypes[number];

/** Settings of DPM-Solver++ and UniPC. */
export interface SolverOptions {
  /** The order: 1, 2 or 3. @default {2} */
  solverOrder?: number;
  /** DPM-Solver++: the equation that is solved. @default {"dpmsolver++"} */
  algorithmType?: AlgorithmType;
  /** The variant. A variant of the other solver means the default: "midpoint", for UniPC "bh2". */
  solverType?: SolverType;
  /**
   * Whether the order is lowered in the last steps, which is more stable with few steps; DPM-Solver++
   * multistep does so below 15 steps. A last step to a clean sample always has order 1. @default {true}
   */
  lowerOrderFinal?: boolean;
  /** DPM-Solver++ multistep: whether the last step always has order 1. @default {false} */
  eulerAtFinal?: boolean;
  /**
   * DPM-Solver++ multistep of order 3: whether the second derivative has its full weight. The published
   * code and diffusers halve it, which leaves a solver of order 2. @default {false}
   */
  fullThirdOrder?: boolean;
}

/** The equation that DPM-Solver++ solves: the probability flow, or the stochastic equation. */
export const algorithmTypes = ["dpmsolver++", "sde-dpmsolver++"] as const;
/** A name of {@linkcode algorithmTypes}. */
export type AlgorithmType = typeof algorithmTypes[number];

/** Variants of solvers: "midpoint" and "heun" of DPM-Solver++, "bh1" and "bh2" of UniPC. */
export const solverTypes = ["midpoint", "heun", "bh1", "bh2"] as const;
/** A name of {@linkcode solverTypes}. */
export type SolverType = typeof solverTypes[number];

/** Settings of flowEuler. */
export interface FlowOptions {
  /** Above 1 moves the levels towards noise (Esser et al. 2024, section 5.3.2); positive. @default {1} */
  flowShift?: number;
}

/**
 * Runs a sampler to its end.
 *
 * @param steps The steps of a sampler.
 * @returns The samples after the last step [B, ...], flat.
 * @throws {UserError} If there was no step, or any error of the sampler.
 *
 * @example
 * ```ts
 * import { ddim, lastSample, noiseSchedule } from "@nanodiffusion/nanodiffusion";
 *
 * const denoise = (x: Float32Array) => Promise.resolve(x); // takes everything for noise
 * await lastSample(ddim(denoise, new Float32Array(784), noiseSchedule(), { numInferenceSteps: 50 }));
 * ```
 */
export async function lastSample(steps: AsyncIterable<SamplerStep>): Promise<Float32Array> {
  let last: Float32Array | undefined;
  for await (const { sample } of steps) last = sample;
  if (last === undefined) throw new UserError("the sampler made no step, so there is no sample");
  return last;
}
