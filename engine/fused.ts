/**
 * Fused operations of image models, which tfjs lacks. A device may have each as one kernel; on other devices
 * they are composed of tfjs's operations. They have no gradients: nn/ calls them in operations with gradients
 * of their own.
 */
import * as tf from "./tf.ts";

/** Whether the current device has a kernel. */
export function hasKernel(name: string): boolean {
  return tf.getKernel(name, tf.getBackend()) !== undefined;
}

/** Runs a kernel if the current device has it, or else a composition of tfjs's operations. */
export function kernelOr<Result extends tf.Tensor>(
  name: string,
  inputs: Record<string, tf.Tensor>,
  otherwise: () => tf.Tensor,
  attrs: Record<string, number> = {},
): Result {
  const result = hasKernel(name)
    ? tf.engine().runKernel(name, inputs, attrs) as tf.Tensor
    : tf.tidy(otherwise);
  return result as Result;
}

/** Reshapes [N, C] to [N, 1, 1, C]. */
function overImage(x: tf.Tensor2D): tf.Tensor4D {
  return tf.reshape(x, [x.shape[0], 1, 1, x.shape[1]]);
}

/** x * sigmoid(x) for x of any shape, "swish" (Ramachandran et al. 2017, arXiv:1710.05941). */
export function siluForward(x: tf.Tensor): tf.Tensor {
  return kernelOr("Silu", { x }, () => tf.mul(x, tf.sigmoid(x)));
}

/**
 * The gradient of {@linkcode siluForward} with respect to its input x, for the gradient dy of its output:
 * dy * (s + y * (1 - s)) with s = sigmoid(x), y = x * s.
 */
export function siluBackward(x: tf.Tensor, dy: tf.Tensor): tf.Tensor {
  return kernelOr("SiluGrad", { x, dy }, () => {
    const s = tf.sigmoid(x);
    const y = tf.mul(x, s);
    return tf.mul(dy, tf.add(s, tf.sub(y, tf.mul(y, s))));
  });
}

/** x * scale + shift for x [N, H, W, C], with a scale and a shift for each sample and channel: [N, C]. */
export function channelAffine(x: tf.Tensor4D, scale: tf.Tensor2D, shift: tf.Tensor2D): tf.Tensor4D {
  return kernelOr(
    "ChannelAffine",
    { x, scale, shift },
    () => tf.add(tf.mul(x, overImage(scale)), overImage(shift)),
  );
}

/** Sums x [N, H, W, C] over height and width to [N, C]. */
export function channelSum(x: tf.Tensor4D): tf.Tensor2D {
  return tf.sum(x, [1, 2]);
}

/** Sums the products of x and y [N, H, W, C] over height and width to [N, C]. */
export function channelDot(x: tf.Tensor4D, y: tf.Tensor4D): tf.Tensor2D {
  return kernelOr("ChannelDot", { x, y }, () => tf.sum(tf.mul(x, y), [1, 2]));
}
