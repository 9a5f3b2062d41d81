/** Ways of drawing the time steps of a training batch, each of which visits every one equally often. */

import type { RandomStream } from "../nn/random.ts";
import { requireInteger, requireOneOf } from "../base/checks.ts";

/** Names of the ways. */
export const timestepDraws = ["uniform", "antithetic", "low_discrepancy"] as const;
/**
 * A name of {@linkcode timestepDraws}: "uniform" draws each on its own; "antithetic" draws half of them
 * and mirrors them, t and T - 1 - t, so that every batch has as much noise (Song et al. 2021's code);
 * "low_discrepancy" draws one number and spreads the batch evenly from there (Kingma et al. 2021,
 * "Variational Diffusion Models", appendix I.1), which varies the loss of a batch least.
 */
export type TimestepDraw = typeof timestepDraws[number];

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

/**
 * Time steps for a batch. They come in an order (the two halves of "antithetic", rising circularly with
 * "low_discrepancy"), so the examples that they go with must be shuffled.
 *
 * @param random The stream to draw from.
 * @param count B.
 * @param numTrainTimesteps T.
 * @returns [B], in [0, T).
 * @throws {UserError} If a number or the name is not as it must be.
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
