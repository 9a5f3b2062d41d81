/** What samplers take and give. */
import type { VarianceType } from "../posterior.ts";
import type { NoiseSchedule } from "../schedules.ts";
import type { PreviousTimestepRule, TimestepOptions } from "../timesteps.ts";
import { UserError } from "../../base/errors.ts";

/**
 * A denoiser, its condition already filled in.
 *
 * @param x Noisy samples [B, ...], flat; to be read, not changed.
 * @param timestep The timestep of all of them, in [0, T); not always an integer, see
 * {@linkcode continuousTimesteps}.
 * @returns [B, ...], in the predictionType of the schedule that it is sampled with.
 */
export type Denoiser = (x: Float32Array, timestep: number) => Promise<Float32Array>;

/** Which equation DPM-Solver++ solves: the probability flow, or the one with noise. */
export const algorithmTypes = ["dpmsolver++", "sde-dpmsolver++"] as const;
/** A name of {@linkcode algorithmTypes}. */
export type AlgorithmType = typeof algorithmTypes[number];

/** Variants of solvers: "midpoint" and "heun" of DPM-Solver++, "bh1" and "bh2" of UniPC. */
export const solverTypes = ["midpoint", "heun", "bh1", "bh2"] as const;
/** A name of {@linkcode solverTypes}. */
export type SolverType = typeof solverTypes[number];

/** Where the last step leads: to a clean sample, or to timestep 0's noise level. */
export const finalSigmasTypes = ["zero", "sigma_min"] as const;
/** A name of {@linkcode finalSigmasTypes}. */
export type FinalSigmasType = typeof finalSigmasTypes[number];

/** Settings of all samplers. */
export interface CommonOptions extends TimestepOptions {
  /** Whether predictions of x0 are clipped. @default {true} */
  clipSample?: boolean;
  /** The largest magnitude of a clipped x0, positive. @default {1} */
  clipSampleRange?: number;
  /**
   * Replaces every predicted x0, after clipping, and what is made of it; the noise is worked out again
   * from the result. Inpainting and thresholding are made of it.
   *
   * @param x0 [B, ...], flat.
   * @returns [B, ...]
   */
  constrainX0?: (x0: Float32Array) => Float32Array;
  /**
   * Standard normal numbers for a step, counted from 0; asked once a step that adds noise, so that the
   * result depends on the source alone. Needed wherever noise is added.
   */
  noise?: (length: number, step: number) => Float32Array;
  /**
   * How many steps of the plan to leave out, the noisiest first. xT is then a sample at the noise level
   * of the first step that is left, unless there is an initialSample. @default {0}
   */
  startStep?: number;
  /** Clean samples [B, ...]: sampling starts from them with xT added as the first step's noise. */
  initialSample?: Float32Array;
}

/** Settings of ddpm and ddim. */
export interface AncestralOptions {
  /**
   * ddpm: how much noise a step adds. "learned_range" needs `channels` and a model that gives variances
   * besides its prediction: see learned_variance.ts. @default {"fixed_small"}
   */
  varianceType?: VarianceType;
  /** ddpm: the samples' channels, their last axis, for "learned_range". */
  channels?: number;
  /** ddim: 0 adds no noise, 1 as much as ddpm; in [0, 1]. @default {0} */
  eta?: number;
  /**
   * ddim: whether the noise is worked out again from the clipped x0, so that the two still add up to
   * x_t. Without it, what clipping takes from x0 stays in the noise with the opposite sign, and guided
   * samples, whose x0 is clipped much, drift away from what they are guided to.
   *
   * @default {false}
   */
  useClippedModelOutput?: boolean;
  /**
   * ddim: whether the last step leads to a clean sample (alphasCumprod 1) rather than to timestep 0's
   * noise level. @default {true}
   */
  setAlphaToOne?: boolean;
  /**
   * ddim: where a step leads, see {@linkcode previousTimesteps}. Custom timesteps always use "next".
   * @default {"stride"}
   */
  previousTimestep?: PreviousTimestepRule;
}

/** Settings of the samplers that walk sigmas: all but ddpm and ddim. */
export interface SigmaOptions {
  /** Whether sigmas are spaced as Karras et al. (2022) do, see karrasSigmas. @default {false} */
  useKarrasSigmas?: boolean;
  /** Whether logarithms of sigmas are equally far apart, see exponentialSigmas. @default {false} */
  useExponentialSigmas?: boolean;
  /** Where the last step leads. @default {"zero"} */
  finalSigmasType?: FinalSigmasType;
}

/** Settings of DPM-Solver++ and UniPC. */
export interface SolverOptions {
  /** The order: 1, 2 or 3. @default {2} */
  solverOrder?: number;
  /** DPM-Solver++: which equation is solved. @default {"dpmsolver++"} */
  algorithmType?: AlgorithmType;
  /** The variant. Another solver's stands for the default: "midpoint", "bh2" for UniPC. */
  solverType?: SolverType;
  /**
   * Whether the order falls towards the end, which is stabler in few steps; DPM-Solver++ multistep does
   * so below 15 steps. A last step to a clean sample has order 1 in any case. @default {true}
   */
  lowerOrderFinal?: boolean;
  /** DPM-Solver++ multistep: whether the last step has order 1, however many there are. @default {false} */
  eulerAtFinal?: boolean;
  /**
   * DPM-Solver++ multistep of order 3: whether the second derivative has its full weight. The published
   * code and diffusers give it half, which leaves a solver of order 2. @default {false}
   */
  fullThirdOrder?: boolean;
}

/** Settings of flowEuler. */
export interface FlowOptions {
  /** Above 1 moves the levels towards noise (Esser et al. 2024, section 5.3.2), positive. @default {1} */
  flowShift?: number;
}

/** Settings of the samplers, named as diffusers' where it has them. A sampler ignores what it lacks. */
export interface SamplerOptions
  extends CommonOptions, AncestralOptions, SigmaOptions, SolverOptions, FlowOptions {}

/** One step of a sampler. Its arrays are the receiver's own, to keep and to change. */
export interface SamplerStep {
  /** Which step this was, from 0: the denoiser is asked once a step. */
  readonly step: number;
  /** The timestep that the denoiser was asked about. */
  readonly timestep: number;
  /** The samples after the step [B, ...], flat, of variance 1 in the main, whatever sigma. */
  readonly sample: Float32Array;
  /** The clean samples that the denoiser's output implied, clipped if so set [B, ...]. */
  readonly predictedX0: Float32Array;
}

/**
 * A sampler: from noise to samples, yielding every step. Arguments are checked when the first step is
 * asked for.
 *
 * @param denoise The model.
 * @param xT Standard normal numbers [B, ...], flat, or a sample at the noise level of the first step; not
 * changed.
 * @param schedule The schedule that the model was trained with.
 * @param options How to sample.
 */
export type Sampler = (
  denoise: Denoiser,
  xT: Float32Array,
  schedule: NoiseSchedule,
  options?: SamplerOptions,
) => AsyncGenerator<SamplerStep, void, undefined>;

/**
 * Runs a sampler to its end.
 *
 * @param steps What a sampler returned.
 * @returns The samples after the last step [B, ...], flat.
 * @throws {UserError} If there was no step at all, or what the sampler throws.
 *
 * @example
 * ```ts
 * import { noiseSchedule } from "../schedules.ts";
 * import { ddim } from "./ddim.ts";
 * import { lastSample } from "./last_sample.ts";
 *
 * const denoise = (x: Float32Array) => Promise.resolve(x); // a model that sees nothing but noise
 * await lastSample(ddim(denoise, new Float32Array(784), noiseSchedule(), { numInferenceSteps: 50 }));
 * ```
 */
export async function lastSample(steps: AsyncIterable<SamplerStep>): Promise<Float32Array> {
  let last: Float32Array | undefined;
  for await (const { sample } of steps) last = sample;
  if (last === undefined) throw new UserError("the sampler made no step, so there is no sample");
  return last;
}
