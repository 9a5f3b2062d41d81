/** Opens devices. A device compiles pure functions of tensors, which are the same for all devices. */
import { breathe } from "@nanodiffusion/base/breathe";
import { usageError, UserError } from "@nanodiffusion/base/errors";
import { AUTO_ORDER, DEVICE_CHOICES, type DeviceChoice, type DeviceName } from "./device_names.ts";
import { openEager } from "./eager.ts";
import { compileOnnx, initializeBackend } from "./onnx/compile.ts";
import { probeCuda } from "./onnx/probe.ts";
import type { SessionOptions } from "./onnx/session.ts";
import { loadOnnxRuntime } from "./onnx_library.ts";
import type * as tf from "./tf.ts";
import type { ArrayTree, HostArray, TensorTree } from "./tree.ts";

export {
  AUTO_ORDER,
  DEVICE_CHOICES,
  DEVICE_NAMES,
  type DeviceChoice,
  type DeviceName,
} from "./device_names.ts";

/** The type of a tree of host tensors after its leaves are moved to a device. */
export type OnDevice<T> = T extends HostArray ? tf.Tensor
  : { readonly [Key in keyof T]: OnDevice<T[Key]> };

/** A compiled function: see {@linkcode Device.compile}. */
export interface Compiled<Inputs, Outputs> {
  /**
   * Runs the function. The results stay valid after the next call. A pause between computations lets signals,
   * such as Ctrl-C, and timers be handled.
   */
  (inputs: Inputs): Promise<Outputs>;
  /** Releases the memory that the device keeps for the function. */
  dispose(): Promise<void>;
}

type TreeFunction = (inputs: TensorTree) => TensorTree;

/** Options of {@linkcode openDevice}. */
export interface DeviceOptions {
  /** Threads within one operation, on devices that can choose. @default The number of cores. */
  threads?: number | undefined;
  /** The beginning of the names of files: ONNX Runtime's profile of each function is written there. */
  profile?: string | undefined;
  /** Receives the choice of "auto" and the reasons. @default Prints to the standard error. */
  log?: ((line: string) => void) | undefined;
}

/** A device, which computes tensors. */
export interface Device {
  /** The device's name. */
  readonly name: DeviceName;
  /** Threads within one operation. */
  readonly threads: number;
  /** Milliseconds of computing so far, without tracing and without copying data. */
  readonly milliseconds: number;
  /**
   * Compiles a pure function of tensors. Inputs and results are trees: tensors, or records and arrays
   * of trees. The onnx devices trace the function into a graph once for each signature: structure, shapes
   * and types. So it must not read values, and tensors that it makes of host data are constants of the
   * graph. The other devices run the function itself in every call, in tf.tidy().
   */
  compile<Inputs extends ArrayTree, Outputs extends ArrayTree>(
    fn: (inputs: OnDevice<Inputs>) => OnDevice<Outputs>,
  ): Compiled<Inputs, Outputs>;
  /** Releases all functions that it compiled and that were not disposed of yet. */
  dispose(): Promise<void>;
  /** As {@linkcode Device.dispose}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
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
  return name === "auto" ? await openFirst(options) : await open(name, options);
}

async function openFirst(options: DeviceOptions): Promise<Device> {
  const { log = (line: string) => console.error(line) } = options;
  const failures: string[] = [];
  for (const name of AUTO_ORDER) {
    try {
      const device = await open(name, options);
      log([`auto: using the ${name} device.`, ...failures].join(" "));
      return device;
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      failures.push(error.message.replace(/\.?$/, ".")); // sentences are joined
    }
  }
  throw new UserError(`No device works here. ${failures.join(" ")}`);
}

async function open(name: DeviceName, options: DeviceOptions): Promise<Device> {
  let milliseconds = 0;
  const onTime = (elapsed: number) => {
    milliseconds += elapsed;
  };
  const compiler = name === "onnx" || name === "onnx-cuda"
    ? await openOnnx(name, options, onTime)
    : await openEager(name, options.threads, onTime);
  const open = new Set<{ dispose(): Promise<void> }>();
  const dispose = async () => {
    for (const compiled of open) await compiled.dispose();
    open.clear();
  };
  return {
    name,
    threads: compiler.threads,
    get milliseconds() {
      return milliseconds;
    },
    compile<Inputs extends ArrayTree, Outputs extends ArrayTree>(
      fn: (inputs: OnDevice<Inputs>) => OnDevice<Outputs>,
    ) {
      // The compilers' types are those of any tree; this function has the types of its trees.
      const compiled = compiler.compile(fn as unknown as TreeFunction);
      const call = async (inputs: Inputs) => {
        const outputs = await compiled(inputs) as Outputs;
        await breathe();
        return outputs;
      };
      open.add(compiled);
      return Object.assign(call, {
        dispose: async () => {
          open.delete(compiled);
          await compiled.dispose();
        },
      });
    },
    dispose,
    [Symbol.asyncDispose]: dispose,
  };
}

async function openOnnx(
  name: "onnx" | "onnx-cuda",
  { threads = navigator.hardwareConcurrency, profile }: DeviceOptions,
  onTime: (milliseconds: number) => void,
) {
  await loadOnnxRuntime();
  const backend = await initializeBackend();
  const provider = name === "onnx-cuda" ? "cuda" : "cpu";
  if (provider === "cuda") await probeCuda();
  const options: SessionOptions = { threads, provider, profile };
  return {
    threads,
    compile: (fn: TreeFunction) => compileOnnx(backend, fn, options, onTime),
  };
}
