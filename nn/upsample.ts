/** Upsampling of images. */
import * as tf from "../engine/tf.ts";

/**
 * Repeats every pixel `factor` times along both axes. The gradient, sums over the repeated pixels, is
 * stated here: that of tfjs 4.22's resizeNearestNeighbor is wrong on its cpu backend.
 *
 * @param x [B, H, W, C]
 * @returns [B, factor H, factor W, C]
 */
export function upsampleNearest(x: tf.Tensor4D, factor: number): tf.Tensor4D {
  const [, height, width] = x.shape;
  const op = tf.customGrad((x) => ({
    value: tf.image.resizeNearestNeighbor(x as tf.Tensor4D, [factor * height, factor * width]),
    gradFunc: (dy: tf.Tensor) => {
      const means = tf.avgPool(dy as tf.Tensor4D, factor, factor, "valid");
      return tf.mul(means, factor * factor);
    },
  }));
  return op(x) as tf.Tensor4D;
}
