/** compile() on tfjs's eager backends, which run the function itself in every call. */
import { UserError } from "@nanodiffusion/base/errors";
import type { BrowserDeviceName, DeviceName } from "./device_names.ts";
import type { CompiledTree } from "./onnx/compile.ts";
import * as tf from "./tf.ts";
import {
  ARRAY_OF,
  type ArrayTree,
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

/** A device whose operations run when they are called. */
export type EagerName = Exclude<DeviceName, "onnx" | "onnx-webgpu"> | BrowserDeviceName;

async function download(tensor: tf.Tensor): Promise<HostArray> {
  const data = await tensor.data();
  const dtype = tensor.dtype as DType;
  // A copy, for two reasons: tfjs may return the array that it keeps itself, and a tensor that was cast
  // may still be stored in an array of its former type.
  return { dtype, shape: tensor.shape, data: ARRAY_OF[dtype].from(data as Float32Array) };
}

/** Explains a failed allocation of WebAssembly or JavaScript. Returns other errors unchanged. */
function explained(device: EagerName, error: unknown): unknown {
  const outOfMemory = error instanceof WebAssembly.RuntimeError ||
    error instanceof RangeError && /allocation|memory|array length/i.test(error.message);
  if (!outOfMemory) return error;
  return new UserError(
    `The ${device} device ran out of memory: use a smaller batch or model (${error.message})`,
    { cause: error },
  );
}

/**
 * The compiler of a tfjs backend: it makes a function of host tensors of a function of tensors.
 *
 * @param onTime Receives the milliseconds of each run.
 */
export function compileEagerly(
  device: EagerName,
  backend: string,
  onTime: (milliseconds: number) => void,
) {
  return (fn: (inputs: TensorTree) => TensorTree): CompiledTree => {
    const run = async (inputs: ArrayTree) => {
      leavesOf(inputs, isHostArray).forEach(({ leaf, path }) => checkHostArray(leaf, path));
      await tf.setBackend(backend);
      const start = performance.now();
      const compute = () => {
        const upload = ({ data, shape, dtype }: HostArray) =>
          tf.tensor(data.slice(), [...shape], dtype);
        const results = fn(mapTree(inputs, isHostArray, upload));
        // Checked inside tf.tidy(), which frees all tensors if a result is refused.
        leavesOf(results, isTensor).forEach(({ leaf, path }) => resultType(leaf, path));
        return results as tf.TensorContainer;
      };
      let outputs: TensorTree;
      try {
        outputs = tf.tidy(compute) as TensorTree;
      } catch (error) {
        throw explained(device, error);
      }
      const leaves = leavesOf(outputs, isTensor);
      const arrays = await Promise.all(leaves.map(({ leaf }) => download(leaf)));
      onTime(performance.now() - start);
      let next = 0;
      const result = mapTree(outputs, isTensor, () => arrays[next++]!);
      leaves.forEach(({ leaf }) => leaf.dispose());
      return result;
    };
    return Object.assign(run, { dispose: () => Promise.resolve() });
  };
}
