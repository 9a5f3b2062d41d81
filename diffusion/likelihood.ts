/** Divergences and likelihoods of Gaussians, in float64 on the host: what the variational bound sums. */
import { usageError } from "../base/errors.ts";

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

/**
 * `(1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2`, within 3e-4 of the distribution function. It is
 * monotonic from 0 to 1 and so a distribution function itself: likelihoods by it are those of a slightly
 * different distribution, not wrong ones. Ho et al. 2020's and Nichol and Dhariwal 2021's bits per
 * dimension are computed with it.
 */
export function approximateNormalCdf(x: number): number {
  return 0.5 * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
}

/** Beyond this many deviations the continued fraction needs few terms, and the series many. */
const FRACTION_FROM = 3;

/**
 * The distribution function to float64's precision, in the lower tail also relatively.
 */
export function normalCdf(x: number): number {
  if (Number.isNaN(x)) return NaN;
  const z = Math.abs(x);
  if (z > 40) return x < 0 ? 0 : 1; // the density underflows
  const density = Math.exp(-0.5 * z * z) / Math.sqrt(2 * Math.PI);
  if (z < FRACTION_FROM) {
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
