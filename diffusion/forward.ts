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
 */
export function qSample(
  schedule: NoiseSchedule,
  x0: ArrayLike<number>,
  noise: ArrayLike<number>,
  t: Timesteps,
): Float32Array {
  return combineRows(schedule, t, x0, noise, (a) => [Math.sqrt(a), Math.sqrt(1 - a)]);
}
