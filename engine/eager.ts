/** compile() on tfjs's eager backends, which run the function itself in every call. */
import { UserError } from "@nanodiffusion/base/errors";
import { registerWasmKernels } from "./composed_kernels.ts";
import { type DeviceName, isTensorFlow } from "./device_names.ts";
import { claimProcess } from "./native_code.ts";
import type { CompiledTree } from "./onnx/compile.ts";
import { openTensorFlow } from "./tensorflow.ts";
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
export type EagerName = Exclude<DeviceName, "onnx" | "onnx-cuda">;

/** Registers npm:@tensorflow/tfjs-backend-webgpu if Deno finds a WebGPU adapter. */
async function loadWebGpu(): Promise<void> {
  claimProcess("webgpu");
  const gpu = navigator.gpu as GPU | undefined;
  const adapter = await gpu?.requestAdapter({ powerPreference: "high-performance" });
  if (adapter === null || adapter === undefined) {
    throw new UserError(
      "The webgpu device finds no adapter: it needs a GPU and its Vulkan driver. Debian's " +
        "package mesa-vulkan-drivers has a slow adapter that needs no GPU.",
    );
  }
  await import("@tensorflow/tfjs-backend-webgpu");
}

/** Loads the tfjs backend of a device, and checks that it works. Returns the backend's name and threads. */
async function initialize(device: EagerName, requestedThreads: number | undefined) {
  let why = "";
  try {
    if (device === "webgpu") await loadWebGpu();
    if (device === "wasm") {
      await import("@tensorflow/tfjs-backend-wasm");
      registerWasmKernels();
    }
    const opened = isTensorFlow(device)
      ? openTensorFlow(device, requestedThreads)
      : { backend: device, threads: 1 };
    if (await tf.setBackend(opened.backend)) return opened;
  } catch (error) {
    if (error instanceof UserError) throw error;
    why = error instanceof Error ? `: ${error.message}` : "";
  }
  throw new UserError(`The ${device} device does not work here${why}. Try the cpu device.`);
}

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
 * Opens a device that is one of tfjs's eager backends. Its `compile` makes a function of host tensors of a
 * function of tensors.
 *
 * @param requestedThreads Threads within one operation, on devices that can choose.
 * @param onTime Receives the milliseconds of each run.
 * @throws {UserError} If the device does not work on this machine.
 */
export async function openEager(
  device: EagerName,
  requestedThreads: number | undefined,
  onTime: (milliseconds: number) => void,
) {
  const { backend, threads } = await initialize(device, requestedThreads);
  const compile = (fn: (inputs: TensorTree) => TensorTree): CompiledTree => {
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
  return { threads, compile };
}
