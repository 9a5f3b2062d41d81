/** Groups examples of similar length into batches, so that batches have little padding. */
import type { RandomStream } from "../nn/random.ts";

/** Batches whose examples are sorted together: more give less padding, but also a less random order. */
const POOL = 16;

/** Options of {@linkcode groupByLength}. */
export interface LengthGroupOptions {
  /** An example's length. */
  readonly lengthOf: (index: number) => number;
  /** Examples per batch. */
  readonly batchSize: number;
  /** The index in the order where the first batch begins that is wholly in this epoch. */
  readonly start: number;
  /** Random numbers for the order of batches. */
  readonly random: RandomStream;
}

/**
 * Rearranges the order of an epoch: examples are sorted by length within pools of 16 batches, and the
 * batches of a pool are shuffled. Examples before the first whole batch and after the last keep their
 * positions.
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
