/** Euler's step from noise level to noise level, which three samplers share. */

import type { Term } from "./combine.ts";
import type { SigmaStep } from "./sigmas.ts";

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
