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

/** A backend of tfjs, by its name, and its threads within one operation. */
interface OpenedBackend {
  readonly backend: string;
  readonly threads: number;
}

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

/** Loads the tfjs backend of a device. */
async function loadBackend(device: EagerName, threads: number | undefined): Promise<OpenedBackend> {
  if (isTensorFlow(device)) return openTensorFlow(device, threads);
  if (device === "webgpu") await loadWebGpu();
  if (device === "wasm") {
    await import("@tensorflow/tfjs-backend-wasm");
    registerWasmKernels();
  }
  return { backend: device, threads: 1 };
}

/** Loads the tfjs backend of a device, and checks that it works. */
async function initialize(
  device: EagerName,
  requestedThreads: number | undefined,
): Promise<OpenedBackend> {
  let why = "";
  try {
    const opened = await loadBackend(device, requestedThreads);
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

/** The error for a failed allocation of WebAssembly or JavaScript; undefined for other errors. */
function outOfMemory(device: EagerName, error: unknown): UserError | undefined {
  const failed = error instanceof WebAssembly.RuntimeError ||
    error instanceof RangeError && /allocation|memory|array length/i.test(error.message);
  return failed
    ? new UserError(
      `The ${device} device ran out of memory: use a smaller batch or model (${error.message})`,
      { cause: error },
    )
    : undefined;
}

/** An opened device. */
export interface EagerDevice {
  /** Threads within one operation. */
  readonly threads: number;
  /** Turns a function of tensors into a function of host tensors. */
  compile(fn: (inputs: TensorTree) => TensorTree): CompiledTree;
}

/**
 * Opens a device that is one of tfjs's eager backends.
 *
 * @param requestedThreads Threads within one operation, on devices that can choose.
 * @param onTime Receives the milliseconds of each run.
 * @throws {UserError} If the device does not work on this machine.
 */
export async function openEager(
  device: EagerName,
  requestedThreads: number | undefined,
  onTime: (milliseconds: number) => void,
): Promise<EagerDevice> {
  const { backend, threads } = await initialize(device, requestedThreads);
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
          // Checked inside tf.tidy(), which frees all tensors if a result is refused.
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
