/** Operations on the examples of a batch, on the device. */
import * as tf from "../engine/tf.ts";

/**
 * Splits a table of factors [K, B].
 *
 * @returns K tensors [B, 1, ...] of the given rank: each multiplies every example by its own factor.
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
 * Computes a tensor that gradients treat as a constant. Nothing inside `fn` is recorded, so its backward
 * pass is not computed at all.
 */
export function withoutGradient<T extends tf.Tensor>(fn: () => T): T {
  // A custom-gradient operation without inputs: autodiff does not see the tensors that fn uses. The clone
  // is needed where fn returns a tensor that existed before.
  const op = tf.customGrad(() => ({ value: tf.clone(fn()), gradFunc: () => [] }));
  return op() as T;
}
