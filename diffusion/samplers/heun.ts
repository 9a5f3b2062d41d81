/** Heun's method on the probability flow in sigma (Karras et al. 2022, algorithm 1). */

import type { NoiseSchedule } from "../schedules.ts";
import { askDenoiser } from "./ask.ts";
import { combine, eulerTerms } from "./terms.ts";
import { startSample } from "./plan.ts";
import { planSigmas } from "./sigmas.ts";
import type { Denoiser, SamplerOptions, SamplerStep } from "./types.ts";

/**
 * Samples as {@linkcode euler}, but takes the mean of the slopes at both ends of a step: two network
 * evaluations for a step, one for the last, 2 S - 1 in all. Every evaluation yields: first where Euler's
 * method leads, then where the mean does.
 *
 * @param denoise The model.
 * @param xT Standard normal numbers [B, ...], flat; not changed.
 * @param schedule The schedule that the model was trained with.
 * @param options How to sample.
 * @throws {UserError} If an option is out of range, or the denoiser's output has the wrong length or
 * is not finite.
 */
export async function* heun(
  denoise: Denoiser,
  xT: Float32Array,
  schedule: NoiseSchedule,
  options: SamplerOptions = {},
): AsyncGenerator<SamplerStep, void, undefined> {
  const plan = planSigmas(schedule, options, "continuous");
  const steps = 2 * plan.length - 1;
  let x = startSample(plan, xT, options);
  for (const [i, at] of plan.entries()) {
    const step = 2 * i;
    const { x0 } = await askDenoiser(denoise, x, { ...at, step, steps }, schedule, options);
    const euler = combine(...eulerTerms(at, x, x0));
    yield { step, timestep: at.timestep, sample: euler.slice(), predictedX0: x0.slice() };
    const end = plan[i + 1];
    if (end === undefined) return; // the slope at sigma 0 is not defined: line 6
    const there = { ...end, step: step + 1, steps };
    const next = await askDenoiser(denoise, euler, there, schedule, options);
    // y_next = y + dSigma / 2 ((y - x0) / sigma + (y_euler - x0_euler) / sigmaNext), y = x / alpha
    const half = (at.sigmaNext - at.sigma) / 2;
    const [alpha, alphaNext] = [Math.sqrt(at.alphaCumprod), Math.sqrt(at.alphaCumprodPrev)];
    x = combine(
      [alphaNext * (1 + half / at.sigma) / alpha, x],
      [-alphaNext * half / at.sigma, x0],
      [half / at.sigmaNext, euler],
      [-alphaNext * half / at.sigmaNext, next.x0],
    );
    const { timestep } = there;
    yield { step: there.step, timestep, sample: x.slice(), predictedX0: next.x0.slice() };
  }
}
