/** The forward process: noise is added to clean samples. */

import { combineRows, type Timesteps } from "./rows.ts";
import type { NoiseSchedule } from "./schedules.ts";

/**
 * Draws x_t from q(x_t | x_0): `sqrt(alphasCumprod) x0 + sqrt(1 - alphasCumprod) noise`
 * (Ho et al. 2020, equation 4).
 *
 * @param x0 Clean samples [B, ...], flat.
 * @param noise Standard normal numbers [B, ...].
 * @param t One timestep for all, or one an example: [B], integers in [0, T).
 * @returns Noisy samples, a new array [B, ...].
 * @throws {UserError} If lengths do not fit or a timestep is out of range.
 */
export function qSample(
  schedule: NoiseSchedule,
  x0: ArrayLike<number>,
  noise: ArrayLike<number>,
  t: Timesteps,
): Float32Array {
  return combineRows(schedule, t, x0, noise, (a) => [Math.sqrt(a), Math.sqrt(1 - a)]);
}

/**
 * The velocity `sqrt(alphasCumprod) noise - sqrt(1 - alphasCumprod) x0`, which is how x_t turns as the
 * angle of noise against signal grows (Salimans and Ho 2022, appendix D).
 *
 * @param x0 Clean samples [B, ...], flat.
 * @param noise The noise that {@linkcode qSample} added [B, ...].
 * @param t One timestep for all, or one an example: [B], integers in [0, T).
 * @returns A new array [B, ...].
 * @throws {UserError} If lengths do not fit or a timestep is out of range.
 */
export function velocity(
  schedule: NoiseSchedule,
  x0: ArrayLike<number>,
  noise: ArrayLike<number>,
  t: Timesteps,
): Float32Array {
  return combineRows(schedule, t, noise, x0, (a) => [Math.sqrt(a), -Math.sqrt(1 - a)]);
}
