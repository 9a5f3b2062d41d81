/** Numbers from N(m, s^2): their optimal denoiser is known, so samplers can be tested without training. */

import type { Denoiser } from "../../../diffusion/samplers/types.ts";
import { type NoiseSchedule, noiseSchedule } from "../../../diffusion/schedules.ts";

export const [m, s] = [.2, .5];

/** T - 1 has many divisors. */
export const STEPS = 960;

/**
 * A schedule whose sigma falls from 80 to 0.02 by the same factor at every timestep. Evenly spaced
 * timesteps are then equal steps in log sigma, which the theory of solvers assumes.
 */
export function geometricSchedule(): NoiseSchedule {
  const alphasCumprod = Float64Array.from({ length: STEPS + 1 }, (_, t) => {
    const sigma = .02 * (80 / .02) ** (t / STEPS);
    return 1 / (1 + sigma ** 2);
  });
  return noiseSchedule({
    trainedBetas: alphasCumprod.map((a, t) => 1 - a / (alphasCumprod[t - 1] ?? 1)),
    predictionType: "sample",
  });
}

/** E[x0 | x_t], for a schedule of predictionType "sample". */
export function exactX0({ alphasCumprod }: NoiseSchedule): Denoiser {
  return (x, t) => {
    const a = alphasCumprod[t]!;
    const gain = Math.sqrt(a) * s ** 2 / (a * s ** 2 + 1 - a);
    return Promise.resolve(x.map((value) => m + gain * (value - Math.sqrt(a) * m)));
  };
}

/** The probability flow from one alphasCumprod to another: it keeps quantiles. */
export function flow(x: number, from: number, to: number): number {
  const [mean, deviation] = moments(from);
  const [meanTo, deviationTo] = moments(to);
  return meanTo + deviationTo * (x - mean) / deviation;
}

/** Mean and standard deviation of x_t. */
export function moments(alphaCumprod: number): [number, number] {
  return [Math.sqrt(alphaCumprod) * m, Math.sqrt(alphaCumprod * s ** 2 + 1 - alphaCumprod)];
}

/** S + 1 evenly spaced timesteps, both ends included, falling. */
export function evenTimesteps(S: number): number[] {
  return Array.from({ length: S + 1 }, (_, i) => (STEPS / S) * (S - i));
}
