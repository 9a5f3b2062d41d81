/** Sampling of the timesteps of a training batch; all methods choose every timestep equally often. */
import { requireInteger, requireOneOf } from "../base/checks.ts";
import type { RandomStream } from "../nn/random.ts";

/** Names of the methods. */
export const timestepDraws = ["uniform", "antithetic", "low_discrepancy"] as const;
/**
 * A name of {@linkcode timestepDraws}. "uniform" samples each timestep independently. "antithetic" samples
 * one half and mirrors it, t and T - 1 - t, so that the mean timestep of all batches is the same (Song et
 * al. 2021's code). "low_discrepancy" samples one number and spaces the batch evenly from there, which
 * gives batch losses the least variance (Kingma et al. 2021, "Variational Diffusion Models", appendix
 * I.1).
 */
export type TimestepDraw = typeof timestepDraws[number];

/**
 * Samples the timesteps of a batch. They are ordered (the two halves of "antithetic"; cyclically rising
 * with "low_discrepancy"), so the examples must be shuffled.
 *
 * @param random The random stream.
 * @param count B.
 * @param numTrainTimesteps T.
 * @returns [B], in [0, T).
 * @throws {UserError} If a number is out of range or the name is unknown.
 */
export function drawTimesteps(
  random: RandomStream,
  count: number,
  numTrainTimesteps: number,
  draw: TimestepDraw = "uniform",
): Int32Array {
  requireInteger("count", count, 1);
  requireInteger("numTrainTimesteps", numTrainTimesteps, 1);
  return draws[requireOneOf("draw", draw, timestepDraws)](random, count, numTrainTimesteps);
}

const draws: Record<TimestepDraw, (random: RandomStream, count: number, T: number) => Int32Array> =
  {
    uniform: (random, count, T) => random.integers(count, 0, T),
    antithetic: (random, count, T) => {
      const drawn = random.integers(Math.ceil(count / 2), 0, T);
      return Int32Array.from(
        { length: count },
        (_, i) => i < drawn.length ? drawn[i]! : T - 1 - drawn[i - drawn.length]!,
      );
    },
    low_discrepancy: (random, count, T) => {
      const start = random.next();
      return Int32Array.from(
        { length: count },
        (_, i) => Math.floor(((start + i / count) % 1) * T),
      );
    },
  };
