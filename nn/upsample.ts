/** Upsampling of images by a factor of 2. */
import * as tf from "../engine/tf.ts";
import { parameter, type Parameters } from "./parameters.ts";

/**
 * A 3-tap filter after pixel doubling equals the 4-tap filter of a transposed convolution of stride 2:
 * pixel p contributes to the outputs 2p - 1 to 2p + 2 with these sums of taps.
 */
const DOUBLED = [
  [0, 0, 1],
  [0, 1, 1],
  [1, 1, 0],
  [1, 0, 0],
] as const;

/** The linear map [9, 16] from filters 3x3 to filters 4x4: DOUBLED along both axes. */
function doubling(): tf.Tensor2D {
  const map = new Float32Array(9 * 16);
  DOUBLED.forEach((row, y) =>
    row.forEach((a, i) =>
      DOUBLED.forEach((column, x) =>
        column.forEach((b, j) => {
          map[(i * 3 + j) * 16 + y * 4 + x] = a * b;
        })
      )
    )
  );
  return tf.tensor2d(map, [9, 16]);
}

/**
 * Doubles height and width by repeating pixels, then convolves with a 3x3 filter and padding 1
 * (diffusers' Upsample2D). It is computed as an equivalent transposed convolution: 16 multiplications per
 * pixel of x and pair of channels instead of 36, and no large intermediate image.
 *
 * @param x [B, H, W, in]
 * @returns [B, 2H, 2W, out]
 */
export function upsampleConv2d(parameters: Parameters, name: string, x: tf.Tensor4D): tf.Tensor4D {
  const weight = parameter(parameters, `${name}.weight`); // [out, in, 3, 3]
  const [out, channels] = weight.shape as [number, number];
  const [batch, height, width] = x.shape;
  const taps = tf.matMul(tf.reshape(weight, [out * channels, 9]), doubling());
  const filter = tf.transpose(tf.reshape(taps, [out, channels, 4, 4]), [2, 3, 0, 1]);
  const doubled = tf.conv2dTranspose(
    x,
    filter as tf.Tensor4D, // [4, 4, out, in]
    [batch, 2 * height, 2 * width, out],
    2,
    1,
  );
  return tf.add(doubled, parameter(parameters, `${name}.bias`));
}
