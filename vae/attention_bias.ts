/** Masks of attention, as numbers that are added to its scores. */
import * as tf from "../engine/tf.ts";

/** The number for positions that are hidden: softmax makes it 0. */
export const MASKED: number = -1e9;

/** The mask [length, length] with which each position attends to itself and to those before it. */
export function causalBias(length: number): tf.Tensor2D {
  const bias = new Float32Array(length * length);
  for (let row = 0; row < length; row++) {
    bias.fill(MASKED, row * length + row + 1, (row + 1) * length);
  }
  return tf.tensor2d(bias, [length, length]);
}

/** The mask [B, 1, 1, K] that hides padding, from 1 for tokens and 0 for padding [B, K]. */
export function paddingBias(mask: tf.Tensor2D): tf.Tensor4D {
  const hidden = tf.sub(1, tf.cast(mask, "float32"));
  return tf.reshape(tf.mul(hidden, MASKED), [mask.shape[0], 1, 1, mask.shape[1]]);
}
