/**
 * Where tensors are computed. A device compiles pure functions of tensors; the functions never ask
 * which device it is.
 */
import { AUTO_ORDER, DEVICE_CHOICES, type DeviceChoice, type DeviceName } from "./device_names.ts";
import { openEager } from "./eager.ts";
import { usageError, UserError } from "@nanodiffusion/base/errors";
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

/** The type of a tree of host tensors when its leaves are on the device. */
export type OnDevice<T> = T extends HostArray ? tf.Tensor
  : { readonly [Key in keyof T]: OnDevice<T[Key]> };

/** A compiled function: see {@linkcode Device.compile}. */
export interface Compiled<Inputs, Outputs> {
  /** Runs the function. The results are the caller's and stay valid after the next call. */
  (inputs: Inputs): Promise<Outputs>;
  /** Releases what the device keeps for it. */
  dispose(): Promise<void>;
}

type TreeFunction = (inputs: TensorTree) => TensorTree;

/** Options of {@linkcode openDevice}. */
export interface DeviceOptions {
  /** Threads within one operation, on devices that can choose: the number of cores by default. */
  threads?: number;
  /** Writes ONNX Runtime's profile of every compiled function to files whose names start so. */
  profile?: string;
  /** Is told what "auto" chose, and why not another: prints to the standard error by default. */
  log?: (line: string) => void;
}

/** A place where tensors are computed. */
export interface Device {
  /** Its name. */
  readonly name: DeviceName;
  /** Threads within one operation. */
  readonly threads: number;
  /** Milliseconds spent computing so far, without tracing and without moving data about. */
  readonly milliseconds: number;
  /**
   * Compiles a pure function of tensors. Inputs and results are trees: tensors, or records and arrays
   * of trees. On the onnx device the function is traced once for each signature (structure, shapes and
   * types) into a graph, so it must not read values, and tensors that it makes from host data are
   * constants of the graph. On eager devices it runs as it is, in tf.tidy.
   */
  compile<Inputs extends ArrayTree, Outputs extends ArrayTree>(
    fn: (inputs: OnDevice<Inputs>) => OnDevice<Outputs>,
  ): Compiled<Inputs, Outputs>;
}

/**
 * Opens a device.
 *
 * @param name A device, or "auto" for the first that works of {@linkcode AUTO_ORDER}.
 * @throws {UserError} If it does not exist or does not work here.
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
      log([`auto: takes the ${name} device.`, ...failures].join(" "));
      return device;
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      failures.push(error.message);
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
  return {
    name,
    threads: compiler.threads,
    get milliseconds() {
      return milliseconds;
    },
    compile<Inputs extends ArrayTree, Outputs extends ArrayTree>(
      fn: (inputs: OnDevice<Inputs>) => OnDevice<Outputs>,
    ) {
      // Which leaves are where is beyond what the compilers of trees can say.
      const compiled: unknown = compiler.compile(fn as unknown as TreeFunction);
      return compiled as Compiled<Inputs, Outputs>;
    },
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
