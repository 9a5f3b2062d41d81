/** Euler's method for the probability flow in sigma (Karras et al. 2022, section 3). */
import { startSample } from "./plan.ts";
import { predict } from "./predict.ts";
import { planSigmas, type SigmaStep } from "./sigmas.ts";
import { combine, type Term } from "./terms.ts";
import type { Sampler, SamplerSteps } from "./types.ts";

/**
 * Samples by integrating `dy/dsigma = (y - x0) / sigma` for y = x / alpha (equations 1 and 3) in straight
 * lines from sigma to sigma. That is ddim with eta 0 at other timesteps: by default those of "linspace",
 * not rounded, with both ends.
 */
export const euler: Sampler = async function* (denoise, xT, schedule, options = {}): SamplerSteps {
  const plan = planSigmas(schedule, options, "continuous");
  let x = startSample(plan, xT, options);
  for (const at of plan) {
    const { x0 } = await predict(denoise, x, at, schedule, options);
    x = combine(...eulerTerms(at, x, x0));
    yield { step: at.step, timestep: at.timestep, sample: x.slice(), predictedX0: x0.slice() };
  }
};

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
