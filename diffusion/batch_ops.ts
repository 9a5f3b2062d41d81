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

/**
 * Computes a tensor that counts as a constant where gradients are taken. Nothing within is recorded, so
 * its backward pass is not computed at all, rather than multiplied by 0.
 *
 * @param fn Computes the tensor, from whatever tensors it likes.
 */
export function withoutGradient<T extends tf.Tensor>(fn: () => T): T {
  // An operation with a gradient of its own, but without inputs: none of the tensors that fn uses is
  // seen to take part. The clone is for an fn that hands back a tensor that was there before.
  const op = tf.customGrad(() => ({ value: tf.clone(fn()), gradFunc: () => [] }));
  return op() as T;
}
