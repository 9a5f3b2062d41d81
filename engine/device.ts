/** Opens devices. A device compiles pure functions of tensors, which are the same for all devices. */
import { usageError, UserError } from "@nanodiffusion/base/errors";
import { AUTO_ORDER, DEVICE_CHOICES, type DeviceChoice, type DeviceName } from "./device_names.ts";
import { type Device, deviceOf } from "./device_of.ts";
import { openEager } from "./eager.ts";
import { compileOnnx, initializeBackend } from "./onnx/compile.ts";
import type { SessionOptions } from "./onnx/session.ts";
import { openAdapter } from "./onnx/webgpu.ts";
import { loadOnnxRuntime } from "./onnx_library.ts";
import type { TensorTree } from "./tree.ts";

export {
  AUTO_ORDER,
  type BrowserDeviceName,
  DEVICE_CHOICES,
  DEVICE_NAMES,
  type DeviceChoice,
  type DeviceName,
} from "./device_names.ts";
export type { Adapter } from "./onnx/webgpu.ts";
export type { Compiled, Device, OnDevice } from "./device_of.ts";

/** Options of {@linkcode openDevice}. */
export interface DeviceOptions {
  /** Threads within one operation, on devices that can choose. @default The number of cores. */
  threads?: number | undefined;
  /** The beginning of the names of files: ONNX Runtime's profile of each function is written there. */
  profile?: string | undefined;
  /** Receives the choice of "auto" and the reasons. @default Prints to the standard error. */
  log?: ((line: string) => void) | undefined;
}

/**
 * Opens a device.
 *
 * @param name A device, or "auto" for the first of {@linkcode AUTO_ORDER} that works.
 * @throws {UserError} If the device does not exist, or does not work on this machine.
 *
 * @example A function becomes a graph, and the device is released at the end of the block
 * ```ts
 * import { float32, type HostArray, openDevice } from "@nanodiffusion/engine";
 * import * as tf from "@nanodiffusion/engine/tf";
 *
 * await using device = await openDevice("onnx");
 * const squares = device.compile<{ x: HostArray }, HostArray>(({ x }) => tf.square(x));
 * const { data } = await squares({ x: float32([1, 2, 3]) });
 * console.assert(data.join() === "1,4,9");
 * ```
 */
export async function openDevice(name: DeviceChoice, options: DeviceOptions = {}): Promise<Device> {
  if (!DEVICE_CHOICES.includes(name)) {
    throw usageError(`There is no device "${name}". Devices: ${DEVICE_CHOICES.join(", ")}.`);
  }
  return name === "auto" ? await openFirst(options) : await open(name, options, { software: true });
}

async function openFirst(options: DeviceOptions): Promise<Device> {
  const { log = (line: string) => console.error(line) } = options;
  const failures: string[] = [];
  for (const name of AUTO_ORDER) {
    try {
      const device = await open(name, options, { software: false });
      log([`auto: using the ${name} device.`, ...failures].join(" "));
      return device;
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      failures.push(error.message.replace(/\.?$/, ".")); // sentences are joined
    }
  }
  throw new UserError(`No device works here. ${failures.join(" ")}`);
}

/** `software`: whether a GPU may be a program, which is slower than the other devices. */
function open(
  name: DeviceName,
  options: DeviceOptions,
  { software }: { software: boolean },
): Promise<Device> {
  return deviceOf(
    name,
    (onTime) =>
      name === "onnx" || name === "onnx-webgpu"
        ? openOnnx(name, options, software, onTime)
        : openEager(name, options.threads, onTime),
  );
}

async function openOnnx(
  name: "onnx" | "onnx-webgpu",
  { threads = navigator.hardwareConcurrency, profile }: DeviceOptions,
  software: boolean,
  onTime: (milliseconds: number) => void,
) {
  await loadOnnxRuntime();
  const backend = await initializeBackend();
  const provider = name === "onnx" ? "cpu" : "webgpu";
  const adapter = provider === "webgpu" ? await openAdapter({ software }) : undefined;
  const options: SessionOptions = { threads, provider, profile };
  return {
    threads,
    adapter,
    compile: (fn: (inputs: TensorTree) => TensorTree) => compileOnnx(backend, fn, options, onTime),
  };
}
