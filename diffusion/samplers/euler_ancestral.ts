/** Euler's method with noise at every step, as in k-diffusion. */
import { eulerTerms } from "./euler.ts";
import { startSample } from "./plan.ts";
import { predict, stepNoise } from "./predict.ts";
import { planSigmas } from "./sigmas.ts";
import { combine, type Term } from "./terms.ts";
import type { Sampler, SamplerSteps } from "./types.ts";

/**
 * Samples as {@linkcode euler}, but each step goes below sigmaNext and adds noise to reach it. That is
 * ddpm with "fixed_small" at other timesteps.
 *
 * @param options `noise` is required if there is more than one step.
 */
export const eulerAncestral: Sampler = async function* (
  denoise,
  xT,
  schedule,
  options = {},
): SamplerSteps {
  const plan = planSigmas(schedule, options, "continuous");
  let x = startSample(plan, xT, options);
  for (const at of plan) {
    const { x0 } = await predict(denoise, x, at, schedule, options);
    const { sigmaDown, sigmaUp } = ancestralStep(at.sigma, at.sigmaNext);
    const terms: Term[] = eulerTerms(at, x, x0, sigmaDown);
    if (sigmaUp > 0) {
      terms.push([Math.sqrt(at.alphaCumprodPrev) * sigmaUp, stepNoise(options, x.length, at)]);
    }
    x = combine(...terms);
    yield { step: at.step, timestep: at.timestep, sample: x.slice(), predictedX0: x0.slice() };
  }
};

/**
 * Splits a step from sigma to sigmaNext into a step below sigmaNext and added noise, so that
 * `sigmaDown^2 + sigmaUp^2 = sigmaNext^2` and the noise is that of the posterior q(x_next | x, x0).
 *
 * @param sigma Positive.
 * @param sigmaNext In [0, sigma].
 */
export function ancestralStep(sigma: number, sigmaNext: number) {
  const sigmaUp = sigmaNext * Math.sqrt(1 - (sigmaNext / sigma) ** 2);
  return { sigmaDown: Math.sqrt(sigmaNext ** 2 - sigmaUp ** 2), sigmaUp };
}
