import * as tf from "../engine/tf.ts";

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
