/** compile() on tfjs's eager backends: the function runs as it is, each time. */
import { UserError } from "./errors.ts";
import type { CompiledTree } from "./onnx/compile.ts";
import * as tf from "./tf.ts";
import {
  ARRAY_OF,
  checkHostArray,
  type DType,
  type HostArray,
  isHostArray,
  isTensor,
  leavesOf,
  mapTree,
  resultType,
  type TensorTree,
} from "./tree.ts";
import { registerWasmKernels } from "./wasm_kernels.ts";

/** Makes sure that a tfjs backend works here. */
async function initialize(backend: "cpu" | "wasm"): Promise<void> {
  if (backend === "wasm") {
    await import("@tensorflow/tfjs-backend-wasm");
    registerWasmKernels();
  }
  let ready = false;
  let cause: unknown;
  try {
    ready = await tf.setBackend(backend);
  } catch (error) {
    cause = error;
  }
  if (!ready) {
    const why = cause instanceof Error ? `: ${cause.message}` : "";
    throw new UserError(`The ${backend} device does not work here${why}. Try --device cpu.`);
  }
}

async function download(tensor: tf.Tensor): Promise<HostArray> {
  const data = await tensor.data();
  const dtype = tensor.dtype as DType;
  // A copy, for two reasons: tfjs may hand out the very array that it keeps, and the caller's must stay
  // as it is; and what was cast to another type may still lie in an array of the old one.
  return { dtype, shape: tensor.shape, data: ARRAY_OF[dtype].from(data as Float32Array) };
}

/**
 * A compiler for one of tfjs's eager backends.
 *
 * @param onTime Is told the milliseconds of each run.
 */
export async function compileEager(
  backend: "cpu" | "wasm",
  onTime: (milliseconds: number) => void,
): Promise<(fn: (inputs: TensorTree) => TensorTree) => CompiledTree> {
  await initialize(backend);
  return (fn) => {
    const compiled: CompiledTree = Object.assign(
      async (inputs: Parameters<CompiledTree>[0]) => {
        leavesOf(inputs, isHostArray).forEach(({ leaf, path }) => checkHostArray(leaf, path));
        await tf.setBackend(backend);
        const start = performance.now();
        const outputs = tf.tidy(() => {
          const tensors = mapTree(
            inputs,
            isHostArray,
            ({ data, shape, dtype }) => tf.tensor(data.slice(), [...shape], dtype),
          );
          const results = fn(tensors);
          // Within the tidy, so that nothing is left behind when a result is refused.
          leavesOf(results, isTensor).forEach(({ leaf, path }) => resultType(leaf, path));
          return results as tf.TensorContainer;
        }) as TensorTree;
        const leaves = leavesOf(outputs, isTensor);
        const arrays = await Promise.all(leaves.map(({ leaf }) => download(leaf)));
        onTime(performance.now() - start);
        let next = 0;
        const result = mapTree(outputs, isTensor, () => arrays[next++]!);
        leaves.forEach(({ leaf }) => leaf.dispose());
        return result;
      },
      { dispose: () => Promise.resolve() },
    );
    return compiled;
  };
}
