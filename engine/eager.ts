/** compile() on tfjs's eager backends: the function runs as it is, each time. */
import type { DeviceName } from "./device_names.ts";
import { UserError } from "@nanodiffusion/base/errors";
import type { CompiledTree } from "./onnx/compile.ts";
import { openTensorFlow } from "./tensorflow.ts";
import { isTensorFlow } from "./tensorflow_package.ts";
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
import { openWebGpu } from "./webgpu.ts";

/** A device whose operations run as they are called. */
export type EagerName = Exclude<DeviceName, "onnx">;

/** Finds the tfjs backend of a device, and makes it ready. */
async function openBackend(
  device: EagerName,
  options: { threads?: number },
): Promise<{ backend: string; threads: number }> {
  if (isTensorFlow(device)) return openTensorFlow(device, options);
  if (device === "webgpu") return { backend: await openWebGpu(), threads: 1 };
  if (device === "wasm") {
    await import("@tensorflow/tfjs-backend-wasm");
    registerWasmKernels();
  }
  return { backend: device, threads: 1 };
}

/** Makes sure that a device works here. */
async function initialize(
  device: EagerName,
  options: { threads?: number },
): Promise<{ backend: string; threads: number }> {
  let why = "";
  try {
    const opened = await openBackend(device, options);
    if (await tf.setBackend(opened.backend)) return opened;
  } catch (error) {
    if (error instanceof UserError) throw error;
    why = error instanceof Error ? `: ${error.message}` : "";
  }
  throw new UserError(`The ${device} device does not work here${why}. Try --device cpu.`);
}

async function download(tensor: tf.Tensor): Promise<HostArray> {
  const data = await tensor.data();
  const dtype = tensor.dtype as DType;
  // A copy, for two reasons: tfjs may hand out the very array that it keeps, and the caller's must stay
  // as it is; and what was cast to another type may still lie in an array of the old one.
  return { dtype, shape: tensor.shape, data: ARRAY_OF[dtype].from(data as Float32Array) };
}

/** What WebAssembly's and JavaScript's failed allocations mean, in words; undefined for other errors. */
function outOfMemory(device: EagerName, error: unknown): UserError | undefined {
  const short = error instanceof WebAssembly.RuntimeError ||
    error instanceof RangeError && /allocation|memory|array length/i.test(error.message);
  return short
    ? new UserError(
      `The ${device} device ran out of memory: use a smaller batch or model (${error.message})`,
      { cause: error },
    )
    : undefined;
}

/** A device that is ready. */
export interface EagerDevice {
  /** Threads within one operation. */
  readonly threads: number;
  /** Makes a function of tensors one of host tensors. */
  compile(fn: (inputs: TensorTree) => TensorTree): CompiledTree;
}

/**
 * Opens a device that is one of tfjs's eager backends.
 *
 * @param onTime Is told the milliseconds of each run.
 * @throws {UserError} If it does not work here.
 */
export async function openEager(
  device: EagerName,
  options: { threads?: number },
  onTime: (milliseconds: number) => void,
): Promise<EagerDevice> {
  const { backend, threads } = await initialize(device, options);
  const compile: EagerDevice["compile"] = (fn) => {
    const compiled: CompiledTree = Object.assign(
      async (inputs: Parameters<CompiledTree>[0]) => {
        leavesOf(inputs, isHostArray).forEach(({ leaf, path }) => checkHostArray(leaf, path));
        await tf.setBackend(backend);
        const start = performance.now();
        const compute = () => {
          const tensors = mapTree(
            inputs,
            isHostArray,
            ({ data, shape, dtype }) => tf.tensor(data.slice(), [...shape], dtype),
          );
          const results = fn(tensors);
          // Within the tidy, so that nothing is left behind when a result is refused.
          leavesOf(results, isTensor).forEach(({ leaf, path }) => resultType(leaf, path));
          return results as tf.TensorContainer;
        };
        let outputs: TensorTree;
        try {
          outputs = tf.tidy(compute) as TensorTree;
        } catch (error) {
          throw outOfMemory(device, error) ?? error;
        }
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
  return { threads, compile };
}
