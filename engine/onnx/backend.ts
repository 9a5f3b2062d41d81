/**
 * A tfjs backend that computes nothing: every kernel that a function calls is added to an ONNX graph,
 * the forward pass, tfjs's own gradients and the optimizer alike. What the graph is run with is
 * session.ts's business.
 *
 * A tensor of images may exist in two layouts, made from each other when asked for: "plain" is tfjs's
 * [N, H, W, C]; "blocked" is ONNX Runtime's NCHWc, [N, C/b, H, W, b] in memory under the nominal shape
 * [N, C, H, W]. Convolutions give blocked tensors and want them, and element-wise kernels keep the
 * layout that their inputs have, so that a whole UNet runs without a change of layout. See layout.ts.
 */
import { UserError } from "../errors.ts";
import * as tf from "../tf.ts";
import { type DType, sizeOf } from "../tree.ts";
import type { Graph, NodeOptions } from "./graph.ts";

/** What is known of a tensor: its shape, and the graph's values that hold it. */
export interface Entry {
  /** Its shape, channels last. */
  readonly shape: readonly number[];
  /** Its element type. */
  readonly dtype: DType;
  /** The value in tfjs's layout. */
  plain?: string;
  /** The value in the blocked layout. */
  blocked?: string;
}

/** A kernel: adds its operation to the backend's graph. */
export type Kernel = (
  // deno-lint-ignore no-explicit-any
  inputs: any,
  // deno-lint-ignore no-explicit-any
  attrs: any,
  backend: OnnxBackend,
) => tf.TensorInfo | tf.TensorInfo[];

const NCHWC = { domain: "com.microsoft.nchwc" } as const;

/** The name under which the backend is registered with tfjs. */
export const BACKEND_NAME = "onnx";

/** The tracing backend. There is one; {@linkcode OnnxBackend.trace} gives it a graph. */
export class OnnxBackend extends tf.KernelBackend {
  #entries = new WeakMap<object, Entry>();
  #count = 0;
  #graph: Graph | undefined;
  /** Of each value made by Transpose: what it is a transpose of, and how. */
  #transposes = new Map<string, { source: string; perm: readonly number[] }>();
  /** The block size b of the blocked layout; 0 where ONNX Runtime has none for this processor. */
  blockSize = 0;

  /** The graph being built. */
  get graph(): Graph {
    if (this.#graph === undefined) {
      throw new UserError(
        "The onnx device has no eager mode yet: wrap the computation in compile(), or use --device cpu.",
      );
    }
    return this.#graph;
  }

  /** Builds a graph: what `fn` calls is added to it. */
  trace<Result>(graph: Graph, fn: () => Result): Result {
    if (this.#graph !== undefined) {
      throw new UserError("compile() cannot be called in traced code.");
    }
    this.#graph = graph;
    try {
      return fn();
    } finally {
      this.#graph = undefined;
      this.#transposes.clear();
    }
  }

  /** What is known of a tensor. */
  entry(tensor: tf.TensorInfo): Entry {
    const entry = this.#entries.get(tensor.dataId);
    if (entry === undefined) {
      throw new UserError("A tensor of another device was used in traced code.");
    }
    return entry;
  }

  /** The value of a tensor in tfjs's layout. */
  plain(tensor: tf.TensorInfo): string {
    const entry = this.entry(tensor);
    entry.plain ??= this.graph.node("ReorderOutput", [entry.blocked!], {
      ...NCHWC,
      attributes: { channels: entry.shape[3]!, channels_last: 1 },
    });
    return entry.plain;
  }

  /** The value of a tensor [N, H, W, C] in the blocked layout; C is a multiple of the block size. */
  blocked(tensor: tf.TensorInfo): string {
    const entry = this.entry(tensor);
    entry.blocked ??= this.graph.node("ReorderInput", [entry.plain!], {
      ...NCHWC,
      attributes: { channels_last: 1 },
    });
    return entry.blocked;
  }

  /** A new tensor, from a value in tfjs's layout. */
  tensor(plain: string, shape: readonly number[], dtype: string = "float32"): tf.TensorInfo {
    return this.#register({ plain, shape, dtype: dtype as DType });
  }

  /** A new tensor [N, H, W, C], from a value in the blocked layout. */
  blockedTensor(blocked: string, shape: readonly number[]): tf.TensorInfo {
    return this.#register({ blocked, shape, dtype: "float32" });
  }

  #register(entry: Entry): tf.TensorInfo {
    const dataId = {};
    this.#entries.set(dataId, entry);
    this.#count++;
    return { dataId, shape: [...entry.shape], dtype: entry.dtype };
  }

  /** Adds an operation with one output: see {@linkcode Graph.node}. */
  node(op: string, inputs: readonly string[], options?: NodeOptions): string {
    return this.graph.node(op, inputs, options);
  }

  /** Adds a Reshape. */
  reshape(value: string, shape: readonly number[]): string {
    return this.graph.node("Reshape", [value, this.graph.int64s(shape)]);
  }

  /** Adds a Transpose; transposes of transposes become one, or none. */
  transpose(value: string, perm: readonly number[]): string {
    const previous = this.#transposes.get(value);
    const source = previous?.source ?? value;
    const composed = previous === undefined ? perm : perm.map((axis) => previous.perm[axis]!);
    if (composed.every((axis, i) => axis === i)) return source;
    const transposed = this.graph.node("Transpose", [source], { attributes: { perm: composed } });
    this.#transposes.set(transposed, { source, perm: composed });
    return transposed;
  }

  // What tfjs asks of a backend.

  override write(values: tf.BackendValues, shape: number[], dtype: tf.DataType): object {
    const dataId = {};
    this.move(dataId, values, shape, dtype);
    return dataId;
  }

  override move(
    dataId: object,
    values: tf.BackendValues,
    shape: number[],
    dtype: tf.DataType,
  ): void {
    if (dtype === "string" || dtype === "complex64") {
      throw new UserError(`The onnx device has no tensors of type ${dtype}.`);
    }
    const plain = this.graph.constant(values as Float32Array, shape, dtype);
    this.#entries.set(dataId, { plain, shape, dtype });
    this.#count++;
  }

  override readSync(): never {
    throw new UserError(
      "Traced code must not read values (dataSync, arraySync): return the tensor from the function " +
        "that compile() is given, and read it outside.",
    );
  }

  override read(): never {
    return this.readSync();
  }

  override disposeData(dataId: object): boolean {
    if (this.#entries.delete(dataId)) this.#count--;
    return true;
  }

  override numDataIds(): number {
    return this.#count;
  }

  override memory(): { unreliable: boolean } {
    return { unreliable: true };
  }

  override incRef(): void {}

  override refCount(): number {
    return 1;
  }

  override timerAvailable(): boolean {
    return false;
  }

  override epsilon(): number {
    return 1e-7;
  }

  override floatPrecision(): 16 | 32 {
    return 32;
  }

  override dispose(): void {}
}

/** Number of elements of a tensor. */
export function sizeOfTensor(tensor: tf.TensorInfo): number {
  return sizeOf(tensor.shape);
}
