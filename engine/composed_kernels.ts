/** Kernels that are put together from tfjs's operations, for backends that lack them. */
import * as tf from "./tf.ts";

/** Tensors by the names that a kernel gives them. */
export type KernelTensors = Record<string, tf.Tensor>;

/** Computes a kernel with tfjs's operations. */
export type Composition = (
  tensors: KernelTensors,
  // Each kernel's attributes have types of their own.
  // deno-lint-ignore no-explicit-any
  attrs: any,
) => tf.Tensor;

type Inputs = Record<string, tf.TensorInfo | undefined>;

/** Makes a kernel function: runs tfjs's operations and hands the result over to the engine. */
export function composedKernel(compute: Composition): tf.KernelFunc {
  return ({ inputs, attrs, backend }) => {
    // The engine counts a reference for each tensor that it makes of a buffer, and gives it back
    // when the tidy ends; without these the caller's inputs would be freed.
    const counted = backend as { incRef(dataId: object): void };
    return tf.tidy(() => {
      const tensors: KernelTensors = {};
      for (const [name, info] of Object.entries(inputs as unknown as Inputs)) {
        if (info === undefined) continue; // such as the bias of a fused kernel that is given none
        counted.incRef(info.dataId);
        tensors[name] = tf.engine().makeTensorFromTensorInfo(info);
      }
      return compute(tensors, attrs);
    });
  };
}
