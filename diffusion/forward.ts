/** The forward process: it adds noise to clean samples. */
import { combineRows, type Timesteps } from "./rows.ts";
import type { NoiseSchedule } from "./schedules.ts";

/**
 * Samples x_t from q(x_t | x0): `sqrt(alphasCumprod[t]) x0 + sqrt(1 - alphasCumprod[t]) noise`
 * (Ho et al. 2020, equation 4).
 *
 * @param x0 Clean samples [B, ...], flat.
 * @param noise Standard normal numbers [B, ...].
 * @param t One timestep for all examples, or one per example [B]: integers in [0, T).
 * @returns Noisy samples, a new array [B, ...].
 * @throws {UserError} If lengths do not match or a timestep is out of range.
 *
 * @example Half of the steps leave a little less than half of the signal's variance
 * ```ts
 * import { noiseSchedule, qSample, randomStream } from "@nanodiffusion/nanodiffusion";
 *
 * const schedule = noiseSchedule({ betaSchedule: "squaredcos_cap_v2" });
 * const noisy = qSample(schedule, new Float32Array(784).fill(1), randomStream(0).normal(784), 500);
 * const mean = noisy.reduce((a, b) => a + b) / 784;
 * console.assert(Math.abs(mean - Math.sqrt(schedule.alphasCumprod[500]!)) < 0.1);
 * ```
 */
export function qSample(
  schedule: NoiseSchedule,
  x0: ArrayLike<number>,
  noise: ArrayLike<number>,
  t: Timesteps,
): Float32Array {
  return combineRows(schedule, t, x0, noise, (a) => [Math.sqrt(a), Math.sqrt(1 - a)]);
}
