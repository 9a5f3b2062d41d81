/**
 * Learned variances (Nichol and Dhariwal 2021, section 3.1). Besides its prediction a model returns a
 * number v for every element, about in [-1, 1]. The log variance of the step is interpolated by v between
 * those of the posterior's variance and of beta (equation 15). Such a model has twice as many output
 * channels: first the prediction, then v. diffusers calls this "learned_range".
 */
import { UserError } from "../base/errors.ts";
import { MIN_VARIANCE, posterior, posteriorTables } from "./posterior.ts";
import type { Denoiser } from "./samplers/types.ts";
import type { NoiseSchedule } from "./schedules.ts";

/** The log variances at v = -1 and v = 1. */
export interface VarianceRange {
  /** The logarithm of the posterior's variance, v = -1. */
  readonly low: number;
  /** The logarithm of beta, v = 1. */
  readonly high: number;
}

/**
 * The range at every training timestep. At t = 0, where the posterior's variance is 0, `low` is that of
 * t = 1 (see posteriorTables); `high` is the logarithm of beta at all timesteps.
 *
 * @returns Two tables [T].
 */
export function varianceRanges(
  schedule: NoiseSchedule,
): { readonly low: Float64Array; readonly high: Float64Array } {
  return { low: posteriorTables(schedule).logVariancesSmall, high: schedule.betas.map(Math.log) };
}

/**
 * The range of a step between any two noise levels, for samplers that skip timesteps.
 *
 * @param alphaCumprod alphasCumprod at t, in [0, 1).
 * @param alphaCumprodPrev alphasCumprod at the end of the step, in (0, 1].
 */
export function varianceRange(alphaCumprod: number, alphaCumprodPrev: number): VarianceRange {
  const { beta, variance } = posterior(alphaCumprod, alphaCumprodPrev);
  return { low: Math.log(Math.max(variance, MIN_VARIANCE)), high: Math.log(beta) };
}

/**
 * The log variance at a model's v (Nichol and Dhariwal 2021, equation 15).
 *
 * @param v -1 for the posterior's variance, 1 for beta; the same line continues outside of [-1, 1].
 */
export function learnedLogVariance(v: number, { low, high }: VarianceRange): number {
  const fraction = (v + 1) / 2;
  return fraction * high + (1 - fraction) * low;
}

/**
 * Splits the output of a model with learned variances.
 *
 * @param output [B, ..., 2 C], flat.
 * @param channels C.
 * @returns The prediction and v, new arrays [B, ..., C].
 * @throws {UserError} If 2 C does not divide the output.
 */
export function splitLearnedVariance(
  output: Float32Array,
  channels: number,
): { prediction: Float32Array; v: Float32Array } {
  const width = 2 * channels;
  if (!(channels >= 1) || output.length % width !== 0) {
    throw new UserError(
      `an output of ${output.length} numbers does not divide into predictions and variances of ` +
        `${channels} channels each; give the number of channels of the samples`,
    );
  }
  const prediction = new Float32Array(output.length / 2);
  const v = new Float32Array(output.length / 2);
  for (let row = 0; row < output.length / width; row++) {
    const middle = row * width + channels;
    prediction.set(output.subarray(middle - channels, middle), row * channels);
    v.set(output.subarray(middle, middle + channels), row * channels);
  }
  return { prediction, v };
}

/**
 * Joins predictions and variances to the output of a model with learned variances.
 *
 * @param prediction [B, ..., C], flat.
 * @param v [B, ..., C], flat.
 * @param channels C.
 * @returns A new array [B, ..., 2 C].
 * @throws {UserError} If lengths differ or C does not divide them.
 */
export function joinLearnedVariance(
  prediction: Float32Array,
  v: Float32Array,
  channels: number,
): Float32Array {
  if (prediction.length !== v.length || !(channels >= 1) || v.length % channels !== 0) {
    throw new UserError(
      `${prediction.length} predictions and ${v.length} variances are not of ${channels} channels each`,
    );
  }
  const output = new Float32Array(2 * v.length);
  for (let start = 0; start < v.length; start += channels) {
    output.set(prediction.subarray(start, start + channels), 2 * start);
    output.set(v.subarray(start, start + channels), 2 * start + channels);
  }
  return output;
}

/**
 * A model with learned variances without its variances, for samplers that do not use them.
 *
 * @param denoise Returns [B, ..., 2 C].
 * @param channels C.
 */
export function withoutLearnedVariance(denoise: Denoiser, channels: number): Denoiser {
  return async (x, timestep) =>
    splitLearnedVariance(await denoise(x, timestep), channels).prediction;
}
