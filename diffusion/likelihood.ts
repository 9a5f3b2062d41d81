/** Divergences and likelihoods of Gaussians in float64 on the host, the terms of the variational bound. */
import { usageError } from "../base/errors.ts";

/** KL(N(mean1, exp(logVariance1)) || N(mean2, exp(logVariance2))) in nats. */
export function gaussianKl(
  mean1: number,
  logVariance1: number,
  mean2: number,
  logVariance2: number,
): number {
  const [difference, ratio] = [mean1 - mean2, logVariance1 - logVariance2];
  // expm1 is more precise than exp(ratio) - 1 where the variances are almost equal.
  return 0.5 * (Math.expm1(ratio) - ratio + difference ** 2 * Math.exp(-logVariance2));
}

/** Half the width of a pixel's bin: 256 values are spread over [-1, 1]. */
export const HALF_BIN = 1 / 255;

/** Larger magnitudes are the first and the last of the 256 values. */
export const EDGE = 0.999;

/** The smallest probability, so that its logarithm exists. */
export const MIN_PROBABILITY = 1e-12;

/** Settings of {@linkcode discretizedGaussianLogLikelihood}. */
export interface DiscretizedGaussianOptions {
  /**
   * The standard normal distribution function: {@linkcode approximateNormalCdf}, as in published results,
   * or the exact normalCdf. @default {approximateNormalCdf}
   */
  cdf?: (x: number) => number;
}

/**
 * The log probability of a pixel's bin under a normal distribution. The bin is x +- 1/255; those of the
 * first and the last of the 256 values are open outwards, so that all sum to 1 (Ho et al. 2020, equation
 * 13).
 *
 * @param x One of 256 values spread over [-1, 1].
 * @param mean The distribution's mean.
 * @param logScale The logarithm of its standard deviation.
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

/** Throws for numbers outside [-1, 1], for which the bins of pixels are not defined. */
export function requirePixels(x0: ArrayLike<number>): void {
  for (let i = 0; i < x0.length; i++) {
    if (Math.abs(x0[i]!) <= 1) continue; // false for NaN
    throw usageError(`x0[${i}] is ${x0[i]}; the likelihood of pixels needs numbers from -1 to 1`);
  }
}

/**
 * `(1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2`, within 3e-4 of the normal distribution function. It
 * rises monotonically from 0 to 1, so it is the distribution function of a slightly different
 * distribution. Ho et al. 2020 and Nichol and Dhariwal 2021 compute bits per dimension with it.
 */
export function approximateNormalCdf(x: number): number {
  return 0.5 * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
}

/** The normal distribution function to float64's precision, also relative in the lower tail. */
export function normalCdf(x: number): number {
  if (Number.isNaN(x)) return NaN;
  const z = Math.abs(x);
  if (z > 40) return x < 0 ? 0 : 1; // the density underflows
  const density = Math.exp(-0.5 * z * z) / Math.sqrt(2 * Math.PI);
  if (z < 3) { // beyond, the continued fraction needs fewer terms
    // Abramowitz and Stegun 26.2.11: 1/2 + density (z + z^3 / 3 + z^5 / (3 5) + ...).
    let [sum, term] = [z, z];
    for (let k = 3; term > sum * 1e-17; k += 2) {
      term *= (z * z) / k;
      sum += term;
    }
    return x < 0 ? 0.5 - density * sum : 0.5 + density * sum;
  }
  // 26.2.14: the upper tail is density / (z + 1 / (z + 2 / (z + 3 / (z + ...)))).
  let fraction = z;
  for (let k = 120; k >= 1; k--) fraction = z + k / fraction;
  return x < 0 ? density / fraction : 1 - density / fraction;
}
