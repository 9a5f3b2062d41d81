/** Calls kernels on tensors in either layout. */
import * as tf from "../../tf.ts";

/**
 * The tensor itself, convolved with the identity matrix. Its values do not change. On the onnx device it
 * then has the blocked layout, if its channels divide into blocks.
 *
 * @param x [N, H, W, C]
 */
export function throughConvolution(x: tf.Tensor): tf.Tensor4D {
  const channels = x.shape[3]!;
  const identity = new Float32Array(channels * channels);
  for (let i = 0; i < channels; i++) identity[i * (channels + 1)] = 1;
  return tf.conv2d(x as tf.Tensor4D, tf.tensor4d(identity, [1, 1, channels, channels]), 1, 0);
}

/** A kernel's inputs: tensors by name, or a list. */
export type KernelInputs = Record<string, tf.Tensor> | tf.Tensor[];

/** Runs a kernel of the current device by its tfjs name. */
export function runKernel(
  name: string,
  inputs: KernelInputs,
  attributes: Record<string, unknown> = {},
): tf.Tensor {
  return run(name, inputs, attributes) as tf.Tensor;
}

/** Runs a kernel with several results. */
export function runKernelForMany(
  name: string,
  inputs: KernelInputs,
  attributes: Record<string, unknown> = {},
): tf.Tensor[] {
  return run(name, inputs, attributes) as tf.Tensor[];
}

function run(name: string, inputs: KernelInputs, attributes: Record<string, unknown>): unknown {
  return tf.engine().runKernel(
    name,
    inputs as unknown as tf.NamedTensorMap,
    attributes as unknown as tf.NamedAttrMap,
  );
}
