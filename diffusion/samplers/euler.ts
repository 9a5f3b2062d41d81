/** Euler's method on the probability flow in sigma (Karras et al. 2022, section 3). */

import type { NoiseSchedule } from "../schedules.ts";
import { askDenoiser } from "./ask.ts";
import { combine, eulerTerms } from "./terms.ts";
import { startSample } from "./plan.ts";
import { planSigmas } from "./sigmas.ts";
import type { Denoiser, SamplerOptions, SamplerStep } from "./types.ts";

/**
 * Samples by following `dy/dsigma = (y - x0) / sigma`, the slope of y = x / alpha (equation 1 with 3),
 * in straight lines from sigma to sigma. That is ddim with eta 0, along other timesteps: by default those
 * of "linspace", not rounded, both ends included.
 *
 * @param denoise The model.
 * @param xT Standard normal numbers [B, ...], flat; not changed.
 * @param schedule The schedule that the model was trained with.
 * @param options How to sample.
 * @throws {UserError} If an option is out of range, or the denoiser's output has the wrong length or
 * is not finite.
 */
export async function* euler(
  denoise: Denoiser,
  xT: Float32Array,
  schedule: NoiseSchedule,
  options: SamplerOptions = {},
): AsyncGenerator<SamplerStep, void, undefined> {
  const plan = planSigmas(schedule, options, "continuous");
  let x = startSample(plan, xT, options);
  for (const at of plan) {
    const { x0 } = await askDenoiser(denoise, x, at, schedule, options);
    x = combine(...eulerTerms(at, x, x0));
    yield { step: at.step, timestep: at.timestep, sample: x.slice(), predictedX0: x0.slice() };
  }
}
