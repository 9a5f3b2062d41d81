/** Calling kernels, on tensors in either layout. */
import * as tf from "../../tf.ts";

/**
 * The tensor itself, by way of a convolution with the identity matrix. On the onnx device it is held in
 * the blocked layout from there on, if its channels divide into blocks; its values are those it had.
 *
 * @param x [N, H, W, C]
 */
export function throughConvolution(x: tf.Tensor): tf.Tensor4D {
  const channels = x.shape[3]!;
  const identity = new Float32Array(channels * channels);
  for (let i = 0; i < channels; i++) identity[i * (channels + 1)] = 1;
  return tf.conv2d(x as tf.Tensor4D, tf.tensor4d(identity, [1, 1, channels, channels]), 1, 0);
}

/** What a kernel is given: tensors by name, or in a row. */
export type KernelInputs = Record<string, tf.Tensor> | tf.Tensor[];

/** Runs one kernel of the current device by its tfjs name. */
export function runKernel(
  name: string,
  inputs: KernelInputs,
  attributes: Record<string, unknown> = {},
): tf.Tensor {
  return run(name, inputs, attributes) as tf.Tensor;
}

/** Runs one kernel that gives several tensors. */
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
