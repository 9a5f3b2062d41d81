import type { SigmaStep } from "./sigmas.ts";

/** A factor and what it multiplies [n]. */
export type Term = readonly [factor: number, values: Float32Array];

/**
 * The sum of the terms, taken in float64 and rounded once.
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
 * The terms of where Euler's method leads: `y_to = x0 + ratio (y - x0)` with `ratio = sigmaTo / sigma`, in
 * samples x = alpha y, whose alpha is that of the step's end.
 *
 * @param x Where the step starts [B, ...].
 * @param x0 The denoiser's opinion there [B, ...].
 * @param sigmaTo The noise to keep, in [0, sigma]. @default the step's sigmaNext
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
