/** The weighted sum of two batches, each example with the coefficients of its own timestep. */
import { UserError } from "../base/errors.ts";
import { requireInteger } from "../base/checks.ts";
import type { NoiseSchedule } from "./schedules.ts";

/** One timestep for the whole batch, or one per example [B]: integers in [0, T). */
export type Timesteps = number | ArrayLike<number>;

/** The factors of the first and of the second array. */
export type Coefficients = readonly [number, number];

/**
 * `out[b, ...] = p * first[b, ...] + q * second[b, ...]` with `[p, q] = coefficients(alphasCumprod[t[b]])`.
 * Sums are taken in float64 and rounded once.
 *
 * @param first [B, ...], flat.
 * @param second [B, ...], flat.
 * @returns A new array [B, ...].
 */
export function combineRows(
  schedule: NoiseSchedule,
  t: Timesteps,
  first: ArrayLike<number>,
  second: ArrayLike<number>,
  coefficients: (alphaCumprod: number) => Coefficients,
): Float32Array {
  const timesteps = typeof t === "number" ? [t] : t;
  if (first.length !== second.length) {
    throw new UserError(
      `two batches of ${first.length} and ${second.length} numbers cannot be combined: ` +
        `give them the same shape`,
    );
  }
  const width = first.length / timesteps.length;
  if (!Number.isInteger(width)) {
    throw new UserError(
      `${first.length} numbers cannot be divided among ${timesteps.length} timesteps: ` +
        `give one timestep per example`,
    );
  }
  const out = new Float32Array(first.length);
  for (let row = 0; row < timesteps.length; row++) {
    const timestep = requireInteger("timestep", timesteps[row]!, 0, schedule.numTrainTimesteps - 1);
    const [p, q] = coefficients(schedule.alphasCumprod[timestep]!);
    for (let i = row * width; i < (row + 1) * width; i++) out[i] = p * first[i]! + q * second[i]!;
  }
  return out;
}
