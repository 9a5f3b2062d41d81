/** Factors and means of the examples of a batch, on the device. */

import * as tf from "../engine/tf.ts";

/**
 * Takes a table of factors [K, B] apart.
 *
 * @returns K tensors [B, 1, ...] of the given rank, which multiply each example of a batch by its own.
 */
export function perExample(factors: tf.Tensor, rank: number): tf.Tensor[] {
  const ones = Array(rank - 1).fill(1);
  return tf.unstack(factors as tf.Tensor2D).map((row) => tf.reshape(row, [-1, ...ones]));
}

/** The mean over all axes but the first: [B, ...] to [B]. */
export function meanPerExample(values: tf.Tensor): tf.Tensor {
  return tf.mean(values, Array.from({ length: values.rank - 1 }, (_, i) => i + 1));
}
