/** Batches of examples of similar length, so that little of a batch is padding. */
import type { RandomStream } from "../nn/random.ts";

/** Batches whose examples are sorted together: more leave less padding, fewer more chance. */
const POOL = 16;

/** Options of {@linkcode groupByLength}. */
export interface LengthGroupOptions {
  /** An example's length. */
  readonly lengthOf: (index: number) => number;
  /** Examples a batch. */
  readonly batchSize: number;
  /** The place in the order where a batch begins first: the batch before began in the last epoch. */
  readonly start: number;
  /** For the order of batches. */
  readonly random: RandomStream;
}

/**
 * Rearranges the order of an epoch: examples are sorted by length within pools of 16 batches, and the
 * batches of a pool come in random order. What is in front of the first whole batch, and behind the
 * last, stays where it is.
 *
 * @param order A permutation of the examples.
 * @returns The same indices in another order.
 */
export function groupByLength(
  order: Uint32Array,
  { lengthOf, batchSize, start, random }: LengthGroupOptions,
): Uint32Array {
  const grouped = order.slice();
  const pool = POOL * batchSize;
  for (let from = start; from < order.length; from += pool) {
    const whole = Math.floor((Math.min(order.length, from + pool) - from) / batchSize);
    const sorted = order.slice(from, from + whole * batchSize)
      .sort((a, b) => lengthOf(a) - lengthOf(b));
    random.at(from).permutation(whole).forEach((batch, i) => {
      const rows = sorted.subarray(batch * batchSize, (batch + 1) * batchSize);
      grouped.set(rows, from + i * batchSize);
    });
  }
  return grouped;
}
