/** Activation functions with explicit gradients. */
import { siluBackward, siluForward } from "../engine/fused.ts";
import { GELU_TANH, geluForward, geluTanhForward } from "../engine/fused_text.ts";
import * as tf from "../engine/tf.ts";

/** An element-wise function of one tensor whose gradient is a function of its input and dy. */
function elementwise<T extends tf.Tensor>(
  x: T,
  forward: (x: tf.Tensor) => tf.Tensor,
  backward: (x: tf.Tensor, dy: tf.Tensor) => tf.Tensor,
): T {
  const op = tf.customGrad((x, save) => {
    const input = x as tf.Tensor;
    (save as tf.GradSaveFunc)([input]);
    return {
      value: forward(input),
      gradFunc: (dy: tf.Tensor, [saved]: tf.Tensor[]) => backward(saved!, dy),
    };
  });
  return op(x) as T;
}

/**
 * SiLU, x * sigmoid(x) (Ramachandran et al. 2017, arXiv:1710.05941). Its explicit gradient reads and
 * writes the tensor half as often as autodiff's chain of multiplications.
 *
 * @param x Any shape.
 */
export function silu<T extends tf.Tensor>(x: T): T {
  return elementwise(x, siluForward, siluBackward);
}

/**
 * GELU, x * Phi(x) with the normal distribution Phi (Hendrycks and Gimpel 2016, arXiv:1606.08415):
 * BERT's activation.
 *
 * @param x Any shape.
 */
export function gelu<T extends tf.Tensor>(x: T): T {
  return elementwise(x, geluForward, (x, dy) => {
    const phi = tf.mul(tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1), 0.5);
    const density = tf.mul(tf.exp(tf.mul(tf.square(x), -0.5)), 1 / Math.sqrt(2 * Math.PI));
    return tf.mul(dy, tf.add(phi, tf.mul(x, density)));
  });
}

/**
 * The tanh approximation of GELU, used by GPT-2 ("gelu_new") and diffusion transformers:
 * x * sigmoid(u) with u = sqrt(8 / pi) * (x + 0.044715 x^3).
 *
 * @param x Any shape.
 */
export function geluTanh<T extends tf.Tensor>(x: T): T {
  return elementwise(x, geluTanhForward, (x, dy) => {
    // s + x s (1 - s) u'(x) = s + (y - y s) u'
    const { linear, cubic } = GELU_TANH;
    const scaled = tf.mul(tf.square(x), cubic);
    const s = tf.sigmoid(tf.mul(x, tf.add(scaled, linear)));
    const y = tf.mul(x, s);
    const slope = tf.add(tf.mul(scaled, 3), linear);
    return tf.mul(dy, tf.add(s, tf.mul(tf.sub(y, tf.mul(y, s)), slope)));
  });
}
