/** Attention of many tokens, as transformers have it. */
import * as tf from "../engine/tf.ts";

/** What is added to the scores of positions that must not be heard. */
export const MASKED: number = -1e9;

/**
 * What to add to scores so that each position hears itself and those before it.
 *
 * @returns [length, length]: 0 on and below the diagonal, {@linkcode MASKED} above it.
 */
export function causalBias(length: number): tf.Tensor2D {
  const bias = new Float32Array(length * length);
  for (let row = 0; row < length; row++) {
    bias.fill(MASKED, row * length + row + 1, (row + 1) * length);
  }
  return tf.tensor2d(bias, [length, length]);
}

/**
 * What to add to scores so that padding is not heard.
 *
 * @param mask [B, K]: 1 for tokens, 0 for padding.
 * @returns [B, 1, 1, K]
 */
export function paddingBias(mask: tf.Tensor2D): tf.Tensor4D {
  const hidden = tf.sub(1, tf.cast(mask, "float32"));
  return tf.reshape(tf.mul(hidden, MASKED), [mask.shape[0], 1, 1, mask.shape[1]]);
}
