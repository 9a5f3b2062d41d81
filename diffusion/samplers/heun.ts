/** Heun's method for the probability flow in sigma (Karras et al. 2022, algorithm 1). */
import { eulerTerms } from "./euler.ts";
import { startSample } from "./plan.ts";
import { predict } from "./predict.ts";
import { planSigmas } from "./sigmas.ts";
import { combine } from "./terms.ts";
import type { Sampler, SamplerSteps } from "./types.ts";

/**
 * Samples as {@linkcode euler}, but with the mean of the slopes at both ends of a step. A step takes two
 * network evaluations, the last one takes one: 2 S - 1 in all. Each evaluation yields: first the result
 * of Euler's method, then that of the mean slope.
 */
export const heun: Sampler = async function* (denoise, xT, schedule, options = {}): SamplerSteps {
  const plan = planSigmas(schedule, options, "continuous");
  const steps = 2 * plan.length - 1;
  let x = startSample(plan, xT, options);
  for (const [i, at] of plan.entries()) {
    const step = 2 * i;
    const { x0 } = await predict(denoise, x, { ...at, step, steps }, schedule, options);
    const euler = combine(...eulerTerms(at, x, x0));
    yield { step, timestep: at.timestep, sample: euler.slice(), predictedX0: x0.slice() };
    const nextLevel = plan[i + 1];
    if (nextLevel === undefined) return; // the slope at sigma 0 is not defined (algorithm 1, line 6)
    const end = { ...nextLevel, step: step + 1, steps };
    const next = await predict(denoise, euler, end, schedule, options);
    // y_next = y + dSigma / 2 ((y - x0) / sigma + (y_euler - x0_euler) / sigmaNext), y = x / alpha
    const half = (at.sigmaNext - at.sigma) / 2;
    const [alpha, alphaNext] = [Math.sqrt(at.alphaCumprod), Math.sqrt(at.alphaCumprodPrev)];
    x = combine(
      [alphaNext * (1 + half / at.sigma) / alpha, x],
      [-alphaNext * half / at.sigma, x0],
      [half / at.sigmaNext, euler],
      [-alphaNext * half / at.sigmaNext, next.x0],
    );
    const { timestep } = end;
    yield { step: end.step, timestep, sample: x.slice(), predictedX0: next.x0.slice() };
  }
};
