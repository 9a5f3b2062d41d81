/**
 * Importance sampling of timesteps by their losses (Nichol and Dhariwal 2021, section 3.3). p_t is
 * proportional to the root mean square of the last losses at t, and each example's loss is divided by
 * T p_t: the objective stays the same, and its gradient has less noise. This is for the variational
 * bound, whose terms differ by a factor of 1000.
 *
 * The history is plain arrays, so that a checkpoint can hold it; all functions are pure.
 */
import { usageError, UserError } from "../base/errors.ts";
import type { RandomStream } from "../nn/random.ts";
import { requireInteger, requireNumber } from "../base/checks.ts";

/** The last losses at each timestep: see {@linkcode initLossHistory}. */
export interface LossHistory {
  /** H, the number of losses that are kept of each timestep. */
  readonly size: number;
  /** The losses at each timestep [T, H]; new ones overwrite the oldest. */
  readonly losses: Float64Array;
  /** The number of losses recorded at each timestep, which may exceed H [T]. */
  readonly counts: Int32Array;
}

/** An empty history for T timesteps; `size` is H, 10 in the paper. */
export function initLossHistory(numTrainTimesteps: number, size = 10): LossHistory {
  const T = requireInteger("numTrainTimesteps", numTrainTimesteps, 1);
  requireInteger("size", size, 1);
  return { size, losses: new Float64Array(T * size), counts: new Int32Array(T) };
}

/**
 * Adds the losses of a batch.
 *
 * @param timesteps [B], in [0, T).
 * @param losses Each example's loss without weights [B], at least 0.
 * @returns A new history.
 * @throws {UserError} If a loss is negative or not finite, which would make all probabilities invalid.
 */
export function recordLosses(
  history: LossHistory,
  timesteps: ArrayLike<number>,
  losses: ArrayLike<number>,
): LossHistory {
  if (timesteps.length !== losses.length) {
    throw new UserError(
      `${losses.length} losses for ${timesteps.length} timesteps: give one loss per timestep`,
    );
  }
  const { size } = history;
  const next = { size, losses: history.losses.slice(), counts: history.counts.slice() };
  for (let i = 0; i < losses.length; i++) {
    const t = requireInteger("timestep", timesteps[i]!, 0, next.counts.length - 1);
    const loss = losses[i]!;
    if (!(loss >= 0 && Number.isFinite(loss))) {
      throw new UserError(
        `the loss at timestep ${t} is ${loss}; training has failed: lower the learning rate or go back ` +
          `to an earlier checkpoint`,
      );
    }
    next.losses[t * size + next.counts[t]!++ % size] = loss;
  }
  return next;
}

/**
 * The probability of each timestep. It is uniform until every timestep has H losses.
 *
 * @param uniformShare The share of the probability that is always uniform, in [0, 1], so that every
 * timestep keeps being sampled; 0.001 in the paper's code.
 * @returns [T], summing to 1.
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
  if (total === 0) return uniform; // all losses are 0
  return roots.map((root) => (1 - uniformShare) * (root / total) + uniformShare / T);
}

/**
 * Samples timesteps [B] with the given probabilities [T]. The weights 1 / (T p_t) are for diffusionBatch's
 * `exampleWeights`.
 */
export function drawWeightedTimesteps(
  random: RandomStream,
  count: number,
  probabilities: Float64Array,
): { timesteps: Int32Array; weights: Float64Array } {
  requireInteger("count", count, 1);
  const T = probabilities.length;
  let sum = 0;
  const cumulative = probabilities.map((p) => sum += p);
  if (!(Math.abs(sum - 1) < 1e-6)) {
    throw usageError(`the probabilities of ${T} timesteps sum to ${sum}; they must sum to 1`);
  }
  const timesteps = Int32Array.from({ length: count }, () => {
    const target = random.next() * sum;
    // Bisection for the first timestep whose cumulative probability exceeds the target. It never has
    // probability 0.
    let [low, high] = [0, T - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (cumulative[middle]! > target) high = middle;
      else low = middle + 1;
    }
    return low;
  });
  return { timesteps, weights: Float64Array.from(timesteps, (t) => 1 / (T * probabilities[t]!)) };
}
