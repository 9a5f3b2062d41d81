/** What samplers take and give. */

import type { VarianceType } from "../posterior.ts";
import type { NoiseSchedule } from "../schedules.ts";
import type { PreviousTimestepRule, TimestepOptions } from "../timesteps.ts";

/**
 * A denoiser, its condition already filled in.
 *
 * @param x Noisy samples [B, ...], flat; to be read, not changed.
 * @param timestep The timestep of all of them, in [0, T).
 * @returns [B, ...], in the predictionType of the schedule that it is sampled with.
 */
export type Denoiser = (x: Float32Array, timestep: number) => Promise<Float32Array>;

/** Settings of the samplers, named as diffusers' where it has them. A sampler ignores what it lacks. */
export interface SamplerOptions extends TimestepOptions {
  /** Whether predictions of x0 are clipped. @default {true} */
  clipSample?: boolean;
  /** The largest magnitude of a clipped x0, positive. @default {1} */
  clipSampleRange?: number;
  /**
   * Standard normal numbers for a step, counted from 0; asked once a step that adds noise, so that the
   * result depends on the source alone. Needed wherever noise is added.
   */
  noise?: (length: number, step: number) => Float32Array;
  /** ddpm: how much noise a step adds. @default {"fixed_small"} */
  varianceType?: VarianceType;
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

/** One step of a sampler. Its arrays are the receiver's own, to keep and to change. */
export interface SamplerStep {
  /** Which step this was, from 0. */
  readonly step: number;
  /** The timestep that the denoiser was asked about. */
  readonly timestep: number;
  /** The samples after the step [B, ...], flat. */
  readonly sample: Float32Array;
  /** The clean samples that the denoiser's output implied, clipped if so set [B, ...]. */
  readonly predictedX0: Float32Array;
}

/**
 * A sampler: from noise to samples, yielding every step. Arguments are checked when the first step is
 * asked for.
 *
 * @param denoise The model.
 * @param xT Standard normal numbers [B, ...], flat; not changed.
 * @param schedule The schedule that the model was trained with.
 * @param options How to sample.
 */
export type Sampler = (
  denoise: Denoiser,
  xT: Float32Array,
  schedule: NoiseSchedule,
  options?: SamplerOptions,
) => AsyncGenerator<SamplerStep, void, undefined>;
