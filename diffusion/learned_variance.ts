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

/**
 * The log variances at v = -1 and v = 1 of every training timestep [T]. At t = 0, where the posterior's
 * variance is 0, `low` is that of t = 1 (see posteriorTables).
 */
export function varianceRanges(schedule: NoiseSchedule) {
  return { low: posteriorTables(schedule).logVariancesSmall, high: schedule.betas.map(Math.log) };
}

/** The log variances at v = -1 and v = 1 of a step between two noise levels, see posterior(). */
export function varianceRange(alphaCumprod: number, alphaCumprodPrev: number) {
  const { beta, variance } = posterior(alphaCumprod, alphaCumprodPrev);
  return { low: Math.log(Math.max(variance, MIN_VARIANCE)), high: Math.log(beta) };
}

/**
 * The log variance at a model's v (Nichol and Dhariwal 2021, equation 15).
 *
 * @param v -1 for the posterior's variance, 1 for beta; the same line continues outside of [-1, 1].
 */
export function learnedLogVariance(v: number, range: { low: number; high: number }): number {
  const fraction = (v + 1) / 2;
  return fraction * range.high + (1 - fraction) * range.low;
}

/** Splits a model's output [B, ..., 2 C] into the prediction and v [B, ..., C]; `channels` is C. */
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

/** The inverse of {@linkcode splitLearnedVariance}. */
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

/** A model with learned variances without its variances, for samplers that do not use them. */
export function withoutLearnedVariance(denoise: Denoiser, channels: number): Denoiser {
  return async (x, timestep) =>
    splitLearnedVariance(await denoise(x, timestep), channels).prediction;
}
