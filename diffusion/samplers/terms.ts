/** Weighted sums of samples. */
import type { SigmaStep } from "./sigmas.ts";

/** A factor and the array that it multiplies [n]. */
export type Term = readonly [factor: number, values: Float32Array];

/**
 * The sum of the terms, computed in float64 and rounded once.
 *
 * @returns A new array [n].
 */
export function combine(...terms: readonly Term[]): Float32Array {
  const out = new Float32Array(terms[0]?.[1].length ?? 0);
  for (let i = 0; i < out.length; i++) {
    let sum = 0;
    for (const [factor, values] of terms) sum += factor * values[i]!;
    out[i] = sum;
  }
  return out;
}

/**
 * The terms of an Euler step: `y_to = x0 + ratio (y - x0)` with `ratio = sigmaTo / sigma` and y = x / alpha.
 * Both ends are given as x, with the alpha of their own noise level.
 *
 * @param x The samples at the start of the step [B, ...].
 * @param x0 The predicted clean samples there [B, ...].
 * @param sigmaTo The noise level to go to, in [0, sigma]. @default the step's sigmaNext
 */
export function eulerTerms(
  at: SigmaStep,
  x: Float32Array,
  x0: Float32Array,
  sigmaTo: number = at.sigmaNext,
): [ofX: Term, ofX0: Term] {
  const ratio = sigmaTo / at.sigma;
  const [alpha, alphaNext] = [Math.sqrt(at.alphaCumprod), Math.sqrt(at.alphaCumprodPrev)];
  return [[alphaNext * ratio / alpha, x], [alphaNext * (1 - ratio), x0]];
}
