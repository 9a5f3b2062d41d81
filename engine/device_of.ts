/** The interface of devices, and what all of them share. */
import { breathe } from "@nanodiffusion/base/breathe";
import type { BrowserDeviceName, DeviceName } from "./device_names.ts";
import type { CompiledTree } from "./onnx/compile.ts";
import type { Adapter } from "./onnx/webgpu.ts";
import type * as tf from "./tf.ts";
import type { ArrayTree, HostArray, TensorTree } from "./tree.ts";

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

/** A function of trees of tensors. */
type TreeFunction = (inputs: TensorTree) => TensorTree;

/** A device, which computes tensors. */
export interface Device {
  /** The device's name. */
  readonly name: DeviceName | BrowserDeviceName;
  /** The GPU of onnx-webgpu. */
  readonly adapter: Adapter | undefined;
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

/** What a device computes with. */
export interface Compiler {
  readonly threads: number;
  readonly adapter?: Adapter | undefined;
  readonly compile: (fn: TreeFunction) => CompiledTree;
}

/**
 * The device of a compiler.
 *
 * @param openCompiler Receives a function that takes the milliseconds of each run.
 */
export async function deviceOf(
  name: Device["name"],
  openCompiler: (onTime: (milliseconds: number) => void) => Compiler | Promise<Compiler>,
): Promise<Device> {
  let milliseconds = 0;
  const compiler = await openCompiler((elapsed) => {
    milliseconds += elapsed;
  });
  const open = new Set<{ dispose(): Promise<void> }>();
  const dispose = async () => {
    for (const compiled of open) await compiled.dispose();
    open.clear();
  };
  return {
    name,
    adapter: compiler.adapter,
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
