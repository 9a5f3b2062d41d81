/** Classifier-free guidance (Ho and Salimans 2022), with its interval and its rescaling. */
import { requireInteger, requireNumber } from "../base/checks.ts";
import { usageError, UserError } from "../base/errors.ts";
import { joinLearnedVariance, splitLearnedVariance } from "./learned_variance.ts";
import type { Denoiser } from "./samplers/types.ts";
import type { NoiseSchedule } from "./schedules.ts";

/** How a denoiser is guided towards its condition. */
export interface Guidance {
  /** 0 is unconditional, 1 conditional, above 1 guided; any finite number. */
  guidanceScale: number;
  /** The share of the added contrast that is removed, in [0, 1]: see rescaleGuidance. @default {0} */
  guidanceRescale?: number | undefined;
  /**
   * The lowest and the highest timestep with guidance, both included; at all others the conditional
   * output is used. Guidance helps in the middle: at high noise levels it makes samples alike, at low
   * ones it has no effect (Kynkaanniemi et al. 2024, "Applying Guidance in a Limited Interval").
   * guidanceInterval gives the timesteps of the paper's sigmas. @default all timesteps
   */
  interval?: readonly [low: number, high: number] | undefined;
}

/** Settings of {@linkcode classifierFreeGuidance}. */
export interface GuidanceOptions extends Guidance {
  /** The denoiser with its condition, such as class labels, filled in. */
  conditional: Denoiser;
  /** The same denoiser with the null condition that it was trained with. */
  unconditional: Denoiser;
  /** The number of elements of a sample, for `guidanceRescale`. */
  sampleSize?: number | undefined;
  /**
   * C, the samples' channels, for denoisers that return 2 C channels: predictions and variances. Only the
   * predictions are guided; the variances are those of the conditional denoiser.
   */
  learnedVarianceChannels?: number | undefined;
}

/**
 * A denoiser with guidance towards a condition, for any sampler. It calls only the denoisers that are
 * needed: one for scales 0 and 1, the conditional one outside the interval.
 *
 * @throws {UserError} If the scale is not a finite number, or another option is out of range.
 */
export function classifierFreeGuidance(options: GuidanceOptions): Denoiser {
  const { conditional, unconditional, guidanceScale, sampleSize } = options;
  const { guidanceRescale = 0, interval: [low, high] = [-Infinity, Infinity] } = options;
  const { learnedVarianceChannels: channels } = options;
  if (!Number.isFinite(guidanceScale)) {
    throw usageError(`guidanceScale is ${guidanceScale}; it must be a finite number`);
  }
  requireNumber("guidanceRescale", guidanceRescale, 0, 1);
  if (guidanceRescale > 0 && sampleSize === undefined) {
    throw usageError(
      `guidanceRescale ${guidanceRescale} needs sampleSize, the number of elements of a sample`,
    );
  }
  if (!(low <= high)) {
    throw usageError(
      `the interval of guidance is ${low} to ${high}; give the lower timestep first`,
    );
  }
  const combine = (withCondition: Float32Array, without: Float32Array): Float32Array => {
    const guided = combineGuidance(withCondition, without, guidanceScale);
    return guidanceRescale === 0
      ? guided
      : rescaleGuidance(guided, withCondition, { guidanceRescale, sampleSize: sampleSize! });
  };
  const guide = async (x: Float32Array, timestep: number): Promise<Float32Array> => {
    // One after the other, since a device runs only one at a time.
    const withCondition = await conditional(x, timestep);
    const without = await unconditional(x, timestep);
    if (channels === undefined) return combine(withCondition, without);
    const { prediction, v } = splitLearnedVariance(withCondition, channels);
    const guided = combine(prediction, splitLearnedVariance(without, channels).prediction);
    return joinLearnedVariance(guided, v, channels);
  };
  const inside = guidanceScale === 0 ? unconditional : guidanceScale === 1 ? conditional : guide;
  return (x, timestep) => (low <= timestep && timestep <= high ? inside : conditional)(x, timestep);
}

/**
 * `unconditional + guidanceScale (conditional - unconditional)` [B, ...]. The paper's w is
 * `guidanceScale - 1` (equation 6).
 */
export function combineGuidance(
  conditional: Float32Array,
  unconditional: Float32Array,
  guidanceScale: number,
): Float32Array {
  if (conditional.length !== unconditional.length) {
    throw new UserError(
      `the conditional output has ${conditional.length} numbers, the unconditional one ` +
        `${unconditional.length}; both denoisers must keep the shape of their input`,
    );
  }
  return conditional.map((c, i) => unconditional[i]! + guidanceScale * (c - unconditional[i]!));
}

/**
 * The timesteps whose noise level sigma = sqrt((1 - alphasCumprod) / alphasCumprod) lies in
 * (sigmaLow, sigmaHigh], for classifierFreeGuidance's `interval` (Kynkaanniemi et al. 2024, equation 6).
 *
 * @param sigmaLow At least 0.
 * @param sigmaHigh Above sigmaLow; Infinity for no bound.
 * @returns The lowest and the highest timestep.
 * @throws {UserError} If the bounds are out of order or no timestep lies between them.
 */
export function guidanceInterval(
  schedule: NoiseSchedule,
  sigmaLow: number,
  sigmaHigh: number,
): [low: number, high: number] {
  if (!(sigmaLow >= 0 && sigmaLow < sigmaHigh)) {
    throw usageError(
      `the interval of guidance is ${sigmaLow} to ${sigmaHigh}; give two sigmas of at least 0, the ` +
        `lower one first`,
    );
  }
  const sigmas = schedule.alphasCumprod.map((a) => Math.sqrt((1 - a) / a));
  const low = sigmas.findIndex((sigma) => sigma > sigmaLow);
  const high = sigmas.findLastIndex((sigma) => sigma <= sigmaHigh);
  if (low < 0 || low > high) {
    throw usageError(
      `no timestep has a noise level above ${sigmaLow} and up to ${sigmaHigh}; this schedule's levels ` +
        `are from ${sigmas[0]} to ${sigmas.at(-1)}`,
    );
  }
  return [low, high];
}

/** Settings of {@linkcode rescaleGuidance}. */
export interface GuidanceRescaleOptions {
  /** The number of elements of a sample. */
  sampleSize: number;
  /** The paper's phi: 0 changes nothing, 1 gives the conditional output's deviation. @default {0.7} */
  guidanceRescale?: number | undefined;
}

/**
 * Removes the contrast that guidance adds, which overexposes samples. Each guided sample is scaled to the
 * standard deviation of the conditional output, and the result is interpolated with the guided sample
 * (Lin et al. 2024, "Common Diffusion Noise Schedules and Sample Steps are Flawed", equations 14 to 16).
 *
 * @param guided The guided output [B, ...], flat.
 * @param conditional The conditional output [B, ...].
 * @returns A new array [B, ...]; constant samples are unchanged.
 * @throws {UserError} If lengths do not match or guidanceRescale is outside [0, 1].
 */
export function rescaleGuidance(
  guided: Float32Array,
  conditional: Float32Array,
  { sampleSize, guidanceRescale = 0.7 }: GuidanceRescaleOptions,
): Float32Array {
  requireNumber("guidanceRescale", guidanceRescale, 0, 1);
  requireInteger("sampleSize", sampleSize, 1);
  if (guided.length !== conditional.length || guided.length % sampleSize !== 0) {
    throw new UserError(
      `the guided output has ${guided.length} numbers, the conditional one ${conditional.length}; ` +
        `both must be samples of ${sampleSize} elements`,
    );
  }
  const out = guided.slice();
  for (let start = 0; start < out.length; start += sampleSize) {
    const sample = out.subarray(start, start + sampleSize);
    const found = deviation(sample);
    if (found === 0) continue;
    const ratio = deviation(conditional.subarray(start, start + sampleSize)) / found;
    const factor = guidanceRescale * ratio + (1 - guidanceRescale);
    sample.forEach((value, i) => sample[i] = factor * value);
  }
  return out;
}

function deviation(values: Float32Array): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
}
