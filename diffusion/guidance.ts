/** Classifier-free guidance (Ho and Salimans 2022): away from what any class would give. */

import { usageError, UserError } from "../base/errors.ts";
import { requireNumber } from "../base/checks.ts";
import { rescaleGuidance } from "./guidance_rescale.ts";
import { joinLearnedVariance, splitLearnedVariance } from "./learned_variance.ts";
import type { Denoiser } from "./samplers/types.ts";

/**
 * `unconditional + guidanceScale (conditional - unconditional)`: 0 is unconditional, 1 is conditional,
 * above 1 is guided. The paper's w is `guidanceScale - 1` (equation 6).
 *
 * @param conditional The denoiser's output with the condition [B, ...], flat.
 * @param unconditional Its output without [B, ...].
 * @returns A new array [B, ...].
 * @throws {UserError} If the lengths differ.
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

/** Settings of {@linkcode classifierFreeGuidance}. */
export interface GuidanceOptions {
  /** The denoiser with its condition, such as class labels, filled in. */
  conditional: Denoiser;
  /** The same denoiser with the null condition that it was trained with. */
  unconditional: Denoiser;
  /** 0 is unconditional, 1 conditional, above 1 guided; any finite number. */
  guidanceScale: number;
  /**
   * How much of the contrast that guidance adds is taken back, in [0, 1]: see rescaleGuidance. Needs
   * `sampleSize`. @default {0}
   */
  guidanceRescale?: number;
  /** How many numbers a sample has, for `guidanceRescale`. */
  sampleSize?: number;
  /**
   * The first and the last timestep, low and high, that are guided, both included; elsewhere the
   * conditional output is taken as it is. Guidance is of use in the middle: at high noise levels it makes
   * samples alike, at low ones it does nothing but cost time (Kynkaanniemi et al. 2024, "Applying
   * Guidance in a Limited Interval"). guidanceInterval gives the timesteps of the paper's sigmas.
   *
   * @default all timesteps
   */
  interval?: readonly [low: number, high: number];
  /**
   * The samples' channels C where the denoisers give 2 C, variances besides their predictions: the
   * variances are then the conditional denoiser's, since guidance is about predictions alone.
   */
  learnedVarianceChannels?: number;
}

/**
 * A denoiser that is guided towards a condition, for use with any sampler. Only the denoisers that count
 * are asked: one of the two for scales 0 and 1, the conditional one alone outside the interval.
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
      `guidanceRescale ${guidanceRescale} needs sampleSize, the numbers of a sample`,
    );
  }
  if (!(low <= high)) {
    throw usageError(
      `the interval of guidance is ${low} to ${high}; give the lower timestep first`,
    );
  }
  const combine = (asked: Float32Array, other: Float32Array): Float32Array => {
    const guided = combineGuidance(asked, other, guidanceScale);
    return guidanceRescale === 0
      ? guided
      : rescaleGuidance(guided, asked, { guidanceRescale, sampleSize: sampleSize! });
  };
  const guide = async (x: Float32Array, timestep: number): Promise<Float32Array> => {
    // One after the other: a device runs one of them at a time anyway.
    const asked = await conditional(x, timestep);
    const other = await unconditional(x, timestep);
    if (channels === undefined) return combine(asked, other);
    const { prediction, v } = splitLearnedVariance(asked, channels);
    const guided = combine(prediction, splitLearnedVariance(other, channels).prediction);
    return joinLearnedVariance(guided, v, channels);
  };
  const inside = guidanceScale === 0 ? unconditional : guidanceScale === 1 ? conditional : guide;
  return (x, timestep) => (low <= timestep && timestep <= high ? inside : conditional)(x, timestep);
}
