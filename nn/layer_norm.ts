/** Layer normalization (Ba et al. 2016, arXiv:1607.06450). */
import { layerNormForward } from "../engine/fused_text.ts";
import * as tf from "../engine/tf.ts";
import { parameter, type Parameters } from "./parameters.ts";

/**
 * Normalizes the last axis to mean 0 and variance 1, then scales and shifts it. It has an explicit
 * gradient, which takes fewer passes over the tensor than autodiff.
 *
 * @param parameters Has `name`.weight [C] and `name`.bias [C].
 * @param x [..., C]
 * @param epsilon Added to the variance.
 */
export function layerNorm(
  parameters: Parameters,
  name: string,
  x: tf.Tensor,
  epsilon = 1e-5,
): tf.Tensor {
  const channels = x.shape.at(-1)!;
  const op = tf.customGrad((...args) => {
    const [x, weight, bias, save] = args as [tf.Tensor2D, tf.Tensor1D, tf.Tensor1D, unknown];
    (save as tf.GradSaveFunc)([x, weight]);
    return {
      value: layerNormForward(x, weight, bias, epsilon).y,
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const [x, weight] = saved as [tf.Tensor2D, tf.Tensor1D];
        const [one, zero] = [constantVector(channels, 1), constantVector(channels, 0)];
        const { y: xhat, inverse } = layerNormForward(x, one, zero, epsilon);
        const product = tf.mul(dy, xhat) as tf.Tensor2D;
        const column = tf.mul(tf.reshape(weight, [channels, 1]), 1 / channels) as tf.Tensor2D;
        // dx = inverse * (dy * weight - mean(dy * weight) - xhat * mean(dy * weight * xhat)).
        const meanGradient = tf.matMul(dy as tf.Tensor2D, column); // [R, 1]
        const meanProjection = tf.matMul(product, column);
        const centered = tf.sub(tf.mul(dy, weight), meanGradient);
        const dx = tf.mul(tf.sub(centered, tf.mul(xhat, meanProjection)), inverse);
        return [dx, tf.sum(product, 0), tf.sum(dy, 0)];
      },
    };
  });
  const rows = tf.reshape(x, [-1, channels]);
  const weight = parameter(parameters, `${name}.weight`);
  return tf.reshape(op(rows, weight, parameter(parameters, `${name}.bias`)), x.shape);
}

/**
 * Normalizes the last axis to mean 0 and variance 1, with an explicit gradient.
 *
 * @param x [..., C]
 */
export function standardizeRows(
  x: tf.Tensor,
  epsilon = 1e-5,
): tf.Tensor {
  const channels = x.shape.at(-1)!;
  const [one, zero] = [constantVector(channels, 1), constantVector(channels, 0)];
  const op = tf.customGrad((...args) => {
    const [x, save] = args as [tf.Tensor2D, unknown];
    const { y, inverse } = layerNormForward(x, one, zero, epsilon);
    (save as tf.GradSaveFunc)([y, inverse]);
    return {
      value: y,
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const [y, inverse] = saved as [tf.Tensor2D, tf.Tensor2D];
        const projection = tf.mean(tf.mul(dy, y), 1, true); // [R, 1]
        const centered = tf.sub(dy, tf.mean(dy, 1, true));
        return tf.mul(tf.sub(centered, tf.mul(y, projection)), inverse);
      },
    };
  });
  return tf.reshape(op(tf.reshape(x, [-1, channels])), x.shape);
}

function constantVector(length: number, value: number): tf.Tensor1D {
  return tf.tensor1d(new Float32Array(length).fill(value));
}
