/**
 * Time steps drawn by how much there is to learn at them (Nichol and Dhariwal 2021, section 3.3): p_t is
 * proportional to the root of the mean of the last losses' squares, and each example's loss is divided
 * by T p_t, so that the objective stays the same and its gradient has less noise. Made for the
 * variational bound, whose terms differ a thousandfold.
 *
 * The memory is plain arrays, to be saved with a checkpoint; all functions are pure.
 */

import { usageError, UserError } from "../base/errors.ts";
import type { RandomStream } from "../nn/random.ts";
import { requireInteger, requireNumber } from "../base/checks.ts";

/** The last losses at each time step: see {@linkcode initLossHistory}. */
export interface LossHistory {
  /** H, how many losses of each time step are remembered. */
  readonly size: number;
  /** [T, H]: the losses at each time step, the latest overwriting the oldest. */
  readonly losses: Float64Array;
  /** How many losses each time step has seen, which may be more than H [T]. */
  readonly counts: Int32Array;
}

/**
 * A memory without a memory.
 *
 * @param numTrainTimesteps T.
 * @param size H; 10 in the paper.
 * @throws {UserError} If T or H is not a positive integer.
 */
export function initLossHistory(numTrainTimesteps: number, size = 10): LossHistory {
  const T = requireInteger("numTrainTimesteps", numTrainTimesteps, 1);
  requireInteger("size", size, 1);
  return { size, losses: new Float64Array(T * size), counts: new Int32Array(T) };
}

/**
 * The memory after a batch.
 *
 * @param timesteps [B], in [0, T).
 * @param losses Each example's loss without weights [B], at least 0.
 * @returns A new memory.
 * @throws {UserError} If lengths do not fit, a time step is out of range, or a loss is no number of at
 * least 0: it would be remembered, and every probability with it be lost.
 */
export function recordLosses(
  history: LossHistory,
  timesteps: ArrayLike<number>,
  losses: ArrayLike<number>,
): LossHistory {
  if (timesteps.length !== losses.length) {
    throw new UserError(`${losses.length} losses do not go with ${timesteps.length} time steps`);
  }
  const { size } = history;
  const next = { size, losses: history.losses.slice(), counts: history.counts.slice() };
  for (let i = 0; i < losses.length; i++) {
    const t = requireInteger("timestep", timesteps[i]!, 0, next.counts.length - 1);
    const loss = losses[i]!;
    if (!(loss >= 0 && Number.isFinite(loss))) {
      throw new UserError(
        `the loss at time step ${t} is ${loss}; it cannot be learned from: lower the learning rate ` +
          `or go back to an earlier checkpoint`,
      );
    }
    next.losses[t * size + next.counts[t]!++ % size] = loss;
  }
  return next;
}

/**
 * The probability of each time step: uniform until all of them have seen H losses, since a time step
 * that has seen none has an unknown one.
 *
 * @param uniformShare How much of the probability is shared out evenly all the same, in [0, 1], so that
 * no time step is forgotten; 0.001 in the paper's code.
 * @returns [T], summing to 1.
 * @throws {UserError} If the share is out of range.
 */
export function timestepProbabilities(history: LossHistory, uniformShare = 0.001): Float64Array {
  requireNumber("uniformShare", uniformShare, 0, 1);
  const { size, losses, counts } = history;
  const T = counts.length;
  const uniform = new Float64Array(T).fill(1 / T);
  if (counts.some((count) => count < size)) return uniform;
  const roots = Float64Array.from({ length: T }, (_, t) => {
    const squares = losses.subarray(t * size, (t + 1) * size).map((loss) => loss ** 2);
    return Math.sqrt(squares.reduce((sum, square) => sum + square, 0) / size);
  });
  const total = roots.reduce((sum, root) => sum + root, 0);
  if (total === 0) return uniform; // nothing to learn anywhere
  return roots.map((root) => (1 - uniformShare) * (root / total) + uniformShare / T);
}

/** Time steps drawn with probabilities. */
export interface WeightedTimesteps {
  /** [B], in [0, T). */
  readonly timesteps: Int32Array;
  /** 1 / (T p_t), for diffusionBatch's `exampleWeights` [B]. */
  readonly weights: Float64Array;
}

/**
 * Draws time steps with the given probabilities.
 *
 * @param random The stream to draw from.
 * @param count B.
 * @param probabilities [T], as of {@linkcode timestepProbabilities}.
 * @throws {UserError} If B is not positive or the probabilities do not sum to 1.
 */
export function drawWeightedTimesteps(
  random: RandomStream,
  count: number,
  probabilities: Float64Array,
): WeightedTimesteps {
  requireInteger("count", count, 1);
  const T = probabilities.length;
  let sum = 0;
  const cumulative = probabilities.map((p) => sum += p);
  if (!(Math.abs(sum - 1) < 1e-6)) {
    throw usageError(`the probabilities of ${T} time steps sum to ${sum}, not to 1`);
  }
  const timesteps = Int32Array.from({ length: count }, () => {
    const drawn = random.next() * sum;
    // The first that reaches beyond what was drawn, by bisection: one of probability 0 never does so.
    let [low, high] = [0, T - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (cumulative[middle]! > drawn) high = middle;
      else low = middle + 1;
    }
    return low;
  });
  return { timesteps, weights: Float64Array.from(timesteps, (t) => 1 / (T * probabilities[t]!)) };
}
