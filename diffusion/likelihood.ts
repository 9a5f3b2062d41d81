/** Divergences and likelihoods of Gaussians, in float64 on the host: what the variational bound sums. */

import { usageError } from "../base/errors.ts";
import { approximateNormalCdf } from "./normal_cdf.ts";

/**
 * The divergence KL(N(mean1, exp(logVariance1)) || N(mean2, exp(logVariance2))) of two normal
 * distributions of one number.
 *
 * @returns Nats, at least 0 but for rounding.
 */
export function gaussianKl(
  mean1: number,
  logVariance1: number,
  mean2: number,
  logVariance2: number,
): number {
  const [difference, ratio] = [mean1 - mean2, logVariance1 - logVariance2];
  // expm1 loses fewer digits than exp(ratio) - 1 would where the variances are alike.
  return 0.5 * (Math.expm1(ratio) - ratio + difference ** 2 * Math.exp(-logVariance2));
}

/** A pixel's half width: 256 values are spread over [-1, 1]. */
export const HALF_BIN = 1 / 255;

/** Pixels beyond this magnitude are the first and the last of the 256 values. */
export const EDGE = 0.999;

/** The smallest probability, so that its logarithm exists. */
export const MIN_PROBABILITY = 1e-12;

/** Settings of {@linkcode discretizedGaussianLogLikelihood}. */
export interface DiscretizedGaussianOptions {
  /**
   * The standard normal distribution function: {@linkcode approximateNormalCdf}, as in published
   * figures, or the exact normalCdf. @default {approximateNormalCdf}
   */
  cdf?: (x: number) => number;
}

/**
 * The logarithm of the probability that a normal distribution gives to a pixel's bin: x +- 1/255, open
 * to the outside for the first and the last of the 256 values, so that they sum to 1 (Ho et al. 2020,
 * equation 13).
 *
 * @param x One of 256 values spread over [-1, 1].
 * @param mean The distribution's mean.
 * @param logScale The logarithm of its deviation.
 * @returns Nats, at most 0 and at least log(1e-12).
 */
export function discretizedGaussianLogLikelihood(
  x: number,
  mean: number,
  logScale: number,
  { cdf = approximateNormalCdf }: DiscretizedGaussianOptions = {},
): number {
  const scale = Math.exp(-logScale);
  const above = x > EDGE ? 1 : cdf((x - mean + HALF_BIN) * scale);
  const below = x < -EDGE ? 0 : cdf((x - mean - HALF_BIN) * scale);
  return Math.log(Math.max(above - below, MIN_PROBABILITY));
}

/**
 * Refuses samples that are no pixels: their likelihood under bins over [-1, 1] would mean nothing.
 *
 * @throws {UserError} Naming the first number outside [-1, 1].
 */
export function requirePixels(x0: ArrayLike<number>): void {
  for (let i = 0; i < x0.length; i++) {
    if (Math.abs(x0[i]!) <= 1) continue; // false for NaN
    throw usageError(
      `x0[${i}] is ${x0[i]}; the likelihood of pixels needs numbers from -1 to 1`,
    );
  }
}
