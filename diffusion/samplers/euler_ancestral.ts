/** Euler's method with noise at every step, as in k-diffusion. */
import type { NoiseSchedule } from "../schedules.ts";
import { eulerTerms } from "./euler.ts";
import { startSample } from "./plan.ts";
import { predict, stepNoise } from "./predict.ts";
import { planSigmas } from "./sigmas.ts";
import { combine, type Term } from "./terms.ts";
import type { Denoiser, SamplerOptions, SamplerStep } from "./types.ts";

/**
 * Samples as {@linkcode euler}, but each step goes below sigmaNext and adds noise to reach it. That is
 * ddpm with "fixed_small" at other timesteps.
 *
 * @param denoise The model.
 * @param xT Standard normal numbers [B, ...], flat; not changed.
 * @param schedule The schedule that the model was trained with.
 * @param options `noise` is required if there is more than one step.
 * @throws {UserError} If an option is out of range, or the denoiser's output has the wrong length or
 * is not finite.
 */
export async function* eulerAncestral(
  denoise: Denoiser,
  xT: Float32Array,
  schedule: NoiseSchedule,
  options: SamplerOptions = {},
): AsyncGenerator<SamplerStep, void, undefined> {
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
}

/** The two parts of an ancestral step: see {@linkcode ancestralStep}. */
export interface AncestralStep {
  /** The noise level that Euler's method goes to. */
  readonly sigmaDown: number;
  /** The standard deviation of the noise that is then added. */
  readonly sigmaUp: number;
}

/**
 * Splits a step from sigma to sigmaNext into a step below sigmaNext and added noise, so that
 * `sigmaDown^2 + sigmaUp^2 = sigmaNext^2` and the noise is that of the posterior q(x_next | x, x0).
 *
 * @param sigma Positive.
 * @param sigmaNext In [0, sigma].
 * @param eta The share of the noise, in [0, 1].
 */
export function ancestralStep(sigma: number, sigmaNext: number, eta = 1): AncestralStep {
  const posterior = sigmaNext * Math.sqrt(1 - (sigmaNext / sigma) ** 2);
  const sigmaUp = eta * posterior;
  return { sigmaDown: Math.sqrt(sigmaNext ** 2 - sigmaUp ** 2), sigmaUp };
}
