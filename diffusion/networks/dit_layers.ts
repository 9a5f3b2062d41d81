/** What the blocks of a diffusion transformer are made of beside linear layers and attention. */
import { layerNormForward } from "../../engine/fused_text.ts";
import * as tf from "../../engine/tf.ts";

/** Added to the scores of positions that must not be heard. */
const MASKED = -1e9;

/**
 * Layer normalization, scaled and shifted by the condition: y (1 + scale) + shift with y of mean 0 and
 * variance 1 (Peebles and Xie 2023, section 3.2, "adaLN"). The gradient is stated: a few passes over
 * the tensor where autodiff's chain has one for each of its operations.
 *
 * @param x [B, N, C]
 * @param shift [B, 1, C]
 * @param scale [B, 1, C]
 * @param epsilon Added to the variance.
 * @returns [B, N, C]
 */
export function modulatedNorm(
  x: tf.Tensor3D,
  shift: tf.Tensor3D,
  scale: tf.Tensor3D,
  epsilon: number,
): tf.Tensor3D {
  const [batch, length, channels] = x.shape;
  const constant = (value: number) => tf.tensor1d(new Float32Array(channels).fill(value));
  const op = tf.customGrad((...args) => {
    const [x, shift, scale, save] = args as [tf.Tensor3D, tf.Tensor3D, tf.Tensor3D, unknown];
    const rows = tf.reshape(x, [batch * length, channels]) as tf.Tensor2D;
    const normed = layerNormForward(rows, constant(1), constant(0), epsilon);
    const y = tf.reshape(normed.y, x.shape);
    const inverse = tf.reshape(normed.inverse, [batch, length, 1]);
    const factor = tf.add(scale, 1);
    (save as tf.GradSaveFunc)([y, inverse, factor]);
    return {
      value: tf.add(tf.mul(y, factor), shift),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const [y, inverse, factor] = saved as [tf.Tensor3D, tf.Tensor3D, tf.Tensor3D];
        // With g = dy * factor: dx = inverse * (g - mean(g) - y * mean(g * y)), means over C.
        const product = tf.mul(dy, y);
        const column = tf.reshape(tf.mul(factor, 1 / channels), [batch, channels, 1]);
        const meanGradient = tf.matMul(dy as tf.Tensor3D, column as tf.Tensor3D); // [B, N, 1]
        const meanProjection = tf.matMul(product as tf.Tensor3D, column as tf.Tensor3D);
        const centered = tf.sub(tf.mul(dy, factor), meanGradient);
        const dx = tf.mul(tf.sub(centered, tf.mul(y, meanProjection)), inverse);
        return [dx, tf.sum(dy, 1, true), tf.sum(product, 1, true)];
      },
    };
  });
  return op(x, shift, scale) as tf.Tensor3D;
}

/**
 * What to add to scores so that padding is not heard.
 *
 * @param mask 1 for tokens, 0 for padding: [B, M], or undefined if there is none.
 * @param own Positions after them that are always heard.
 * @returns [B, 1, 1, M + own], or undefined without a mask.
 */
export function paddingBias(mask: tf.Tensor2D | undefined, own: number): tf.Tensor | undefined {
  if (mask === undefined) return undefined;
  const [batch, length] = mask.shape;
  const hidden = tf.mul(tf.sub(1, tf.cast(mask, "float32")), MASKED);
  const bias = own === 0 ? hidden : tf.concat([hidden, tf.zeros([batch, own])], 1);
  return tf.reshape(bias, [batch, 1, 1, length + own]);
}

/**
 * Cuts images into patches.
 *
 * @param x [B, S, S, C]
 * @param size Side of a patch; it divides S.
 * @returns [B, (S / size)^2, size * size * C]: patches row by row, the pixels of each row by row.
 */
export function patchify(x: tf.Tensor4D, size: number): tf.Tensor3D {
  const [batch, side, , channels] = x.shape;
  const count = side / size;
  const rows = tf.reshape(x, [batch, count, size, count, size * channels]);
  const patches = tf.transpose(rows, [0, 1, 3, 2, 4]); // [B, row, column, row of pixels, rest]
  return tf.reshape(patches, [batch, count * count, size * size * channels]);
}

/**
 * Puts images together again: the inverse of {@linkcode patchify}.
 *
 * @param x [B, n^2, size * size * C]
 * @returns [B, n * size, n * size, C]
 */
export function unpatchify(x: tf.Tensor3D, size: number): tf.Tensor4D {
  const [batch, patches, features] = x.shape;
  const count = Math.sqrt(patches);
  const channels = features / size ** 2;
  const rows = tf.reshape(x, [batch, count, count, size, size * channels]);
  const pixels = tf.transpose(rows, [0, 1, 3, 2, 4]); // [B, row, row of pixels, column, rest]
  return tf.reshape(pixels, [batch, count * size, count * size, channels]);
}
