/** Activations with gradients of their own. */
import { siluBackward, siluForward } from "../engine/fused.ts";
import * as tf from "../engine/tf.ts";

/**
 * SiLU, x * sigmoid(x) (Ramachandran et al. 2017, arXiv:1710.05941). Its gradient is stated rather
 * than left to autodiff, whose chain of multiplications reads and writes the tensor twice as often.
 *
 * @param x Any shape.
 */
export function silu<T extends tf.Tensor>(x: T): T {
  const op = tf.customGrad((x, save) => {
    const input = x as tf.Tensor;
    (save as tf.GradSaveFunc)([input]);
    return {
      value: siluForward(input),
      gradFunc: (dy: tf.Tensor, [saved]: tf.Tensor[]) => siluBackward(saved!, dy),
    };
  });
  return op(x) as T;
}
