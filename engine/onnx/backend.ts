/**
 * A tfjs backend that computes nothing: every kernel that a function calls is added to an ONNX graph,
 * the forward pass, tfjs's own gradients and the optimizer alike. While compile() traces, that is the
 * graph of the function; otherwise the one of its {@linkcode Recorder}, which runs when a value is read.
 *
 * A tensor of images may exist in two layouts, made from each other when asked for: "plain" is tfjs's
 * [N, H, W, C]; "blocked" is ONNX Runtime's NCHWc, [N, C/b, H, W, b] in memory under the nominal shape
 * [N, C, H, W]. Convolutions give blocked tensors and want them, and element-wise kernels keep the
 * layout that their inputs have, so that a whole UNet runs without a change of layout. See layout.ts.
 */
import * as tf from "../tf.ts";
import { ARRAY_OF, type DType, type HostArray } from "../tree.ts";
import { type Entry, plainValue } from "./entry.ts";
import type { Graph, NodeOptions } from "./graph.ts";
import { NCHWC, sameShape } from "./layout.ts";
import { scopeOf } from "./operation.ts";
import { refuseRandomNumbers } from "./random.ts";
import type { Recorder } from "./recorder.ts";
import * as refusals from "./refusals.ts";

export type { Entry };

/** A kernel: adds its operation to the backend's graph. */
export type Kernel = (
  // deno-lint-ignore no-explicit-any
  inputs: any,
  // deno-lint-ignore no-explicit-any
  attrs: any,
  backend: OnnxBackend,
) => tf.TensorInfo | tf.TensorInfo[];

/** The name under which the backend is registered with tfjs. */
export const BACKEND_NAME = "onnx";

/** The backend. There is one; {@linkcode OnnxBackend.trace} gives it a graph to trace into. */
export class OnnxBackend extends tf.KernelBackend {
  #entries = new WeakMap<object, Entry>();
  #count = 0;
  #traced: Graph | undefined;
  #triedToRead = false;
  /** Tensors that the running kernel made. */
  #made = new Set<object>();
  /** The block size b of the blocked layout; 0 where ONNX Runtime has none for this processor. */
  blockSize = 0;
  /** Runs what is called outside traced code. */
  readonly recorder: Recorder;

  /** Makes a backend whose operations outside traced code go to a recorder. */
  constructor(recorder: Recorder) {
    super();
    this.recorder = recorder;
  }

  /** The graph being built. */
  get graph(): Graph {
    return this.#traced ?? this.recorder.graph;
  }

  /** Whether compile() is tracing a function. */
  get tracing(): boolean {
    return this.#traced !== undefined;
  }

  /** Builds a graph: what `fn` calls is added to it. */
  trace<Result>(graph: Graph, fn: () => Result): Result {
    if (this.#traced !== undefined) throw refusals.nestedTrace();
    this.#traced = graph;
    this.#triedToRead = false;
    try {
      const result = fn();
      if (this.#triedToRead) throw refusals.readInTrace();
      return result;
    } finally {
      this.#traced = undefined;
    }
  }

  /**
   * Lets a kernel add its operations. tfjs disposes of its results; what it made on the way is forgotten
   * here, so that it is not computed for nobody.
   */
  record(kernel: string, add: () => tf.TensorInfo | tf.TensorInfo[]): ReturnType<typeof add> {
    if (!this.tracing) this.recorder.begin(tf.engine().state.gradientDepth > 0);
    this.graph.scope = scopeOf(kernel);
    const outer = this.#made;
    const made = this.#made = new Set<object>();
    try {
      const results = add();
      for (const { dataId } of [results].flat()) made.delete(dataId);
      return results;
    } finally {
      this.#made = outer;
      made.forEach((dataId) => this.disposeData(dataId));
    }
  }

  /** What is known of a tensor, as part of the graph being built. */
  entry(tensor: tf.TensorInfo): Entry {
    const entry = this.#known(tensor.dataId);
    if (entry.graph !== this.graph) this.#bind(entry);
    return entry;
  }

  #known(dataId: object): Entry {
    let entry = this.#entries.get(dataId);
    if (entry === undefined) {
      if (this.tracing) throw refusals.otherDevice();
      // As tfjs's own backends do with tensors that they do not know.
      tf.engine().moveData(this, dataId);
      entry = this.#entries.get(dataId)!;
    }
    return entry;
  }

  /** Makes a tensor a value of the graph being built: a constant of a trace, or an input. */
  #bind(entry: Entry): void {
    const { shape, dtype } = entry;
    const data = this.#elements(entry);
    if (!(dtype in ARRAY_OF)) throw refusals.type(dtype);
    entry.graph = this.graph;
    entry.blocked = undefined;
    entry.plain = this.#traced?.constant(data, shape, dtype) ?? this.recorder.feed(entry);
  }

  /** The elements of a tensor; what is pending is run if they are not known yet. */
  #elements(entry: Entry): HostArray["data"] {
    if (entry.data === undefined && entry.graph === this.recorder.graph) this.recorder.run();
    if (entry.error !== undefined) throw entry.error;
    if (entry.data === undefined) throw refusals.escaped();
    return entry.data;
  }

  /** The elements of a tensor, where they are known before anything runs: the host wrote them, or read them. */
  known(tensor: tf.TensorInfo): HostArray["data"] | undefined {
    return this.tracing ? undefined : this.#entries.get(tensor.dataId)?.data;
  }

  /** The value of a tensor in tfjs's layout. */
  plain(tensor: tf.TensorInfo): string {
    const entry = this.entry(tensor);
    const value = plainValue(entry, this.graph);
    // Tensors that came from another backend may share elements under several shapes.
    return sameShape(entry.shape, tensor.shape) ? value : this.reshape(value, tensor.shape);
  }

  /** The value of a tensor [N, H, W, C] in the blocked layout; C is a multiple of the block size. */
  blocked(tensor: tf.TensorInfo): string {
    const entry = this.entry(tensor);
    if (entry.blocked !== undefined) return entry.blocked;
    const blocked = this.graph.node("ReorderInput", [this.plain(tensor)], {
      ...NCHWC,
      attributes: { channels_last: 1 },
    });
    if (sameShape(entry.shape, tensor.shape)) entry.blocked = blocked;
    return blocked;
  }

  /** A new tensor, from a value in tfjs's layout. */
  tensor(plain: string, shape: readonly number[], dtype: string = "float32"): tf.TensorInfo {
    return this.#register({ plain, shape, dtype: dtype as DType });
  }

  /** A new tensor [N, H, W, C], from a value in the blocked layout. */
  blockedTensor(blocked: string, shape: readonly number[]): tf.TensorInfo {
    return this.#register({ blocked, shape, dtype: "float32" });
  }

  #register(value: Pick<Entry, "plain" | "blocked" | "shape" | "dtype">): tf.TensorInfo {
    const entry: Entry = { ...value, references: 1, graph: this.graph };
    const dataId = {};
    this.#entries.set(dataId, entry);
    this.#count++;
    this.#made.add(dataId);
    if (!this.tracing) this.recorder.add(entry);
    return { dataId, shape: [...entry.shape], dtype: entry.dtype };
  }

  /** Another tensor of the same values, which stay as long as either is in use. */
  share(tensor: tf.TensorInfo): tf.TensorInfo {
    this.#known(tensor.dataId).references++;
    const { dataId, shape, dtype } = tensor;
    return { dataId, shape, dtype };
  }

  /** Adds an operation with one output: see {@linkcode Graph.node}. */
  node(op: string, inputs: readonly string[], options?: NodeOptions): string {
    return this.graph.node(op, inputs, options);
  }

  /** Adds a Reshape. */
  reshape(value: string, shape: readonly number[]): string {
    // ONNX takes a 0 for "as it was" unless it is told otherwise.
    const options = shape.includes(0) ? { attributes: { allowzero: 1 } } : {};
    return this.graph.node("Reshape", [value, this.graph.int64s(shape)], options);
  }

  /** Adds a Transpose: see {@linkcode Graph.transpose}. */
  transpose(value: string, perm: readonly number[]): string {
    return this.graph.transpose(value, perm);
  }

  // What tfjs asks of a backend.

  override write(values: tf.BackendValues, shape: number[], dtype: tf.DataType): object {
    const dataId = {};
    this.move(dataId, values, shape, dtype, 1);
    return dataId;
  }

  override move(
    dataId: object,
    values: tf.BackendValues,
    shape: number[],
    dtype: tf.DataType,
    references: number,
  ): void {
    if (this.tracing && !(dtype in ARRAY_OF)) throw refusals.type(dtype);
    const graph = this.#traced;
    if (graph !== undefined) refuseRandomNumbers();
    const numbers = values as Float32Array;
    const type = dtype as DType; // or what no graph takes: see host_kernel.ts
    const copy = () => new ARRAY_OF[dtype === "complex64" ? "float32" : type](numbers);
    // A copy of the numbers, because the caller may go on with the array.
    const held = graph !== undefined
      ? { graph, plain: graph.constant(numbers, shape, type) }
      : { data: dtype === "string" ? numbers : copy() };
    this.#entries.set(dataId, { shape, dtype: type, references, ...held });
    this.#count++;
  }

  override readSync(dataId: object): tf.backend_util.BackendValues {
    if (this.tracing) throw refusals.readInTrace();
    // A copy, because the caller may write to it.
    return this.#elements(this.#known(dataId)).slice();
  }

  override read(dataId: object): Promise<tf.backend_util.BackendValues> {
    if (this.tracing) {
      // A rejected promise would go unnoticed, or end the program, where nobody waits for it.
      this.#triedToRead = true;
      return new Promise(() => {});
    }
    return Promise.resolve(this.readSync(dataId));
  }

  override disposeData(dataId: object, force = false): boolean {
    const entry = this.#entries.get(dataId);
    if (entry === undefined) return true;
    entry.references--;
    if (entry.references > 0 && !force) return false;
    this.recorder.delete(entry);
    this.#entries.delete(dataId);
    this.#count--;
    return true;
  }

  override numDataIds(): number {
    return this.#count;
  }

  override memory(): { unreliable: boolean; reasons: string[] } {
    return { unreliable: true, reasons: ["What ONNX Runtime's sessions take is not counted."] };
  }

  override incRef(dataId: object): void {
    const entry = this.#entries.get(dataId);
    if (entry !== undefined) entry.references++;
  }

  override refCount(dataId: object): number {
    return this.#entries.get(dataId)?.references ?? 0;
  }

  override time(query: () => void): Promise<{ kernelMs: number }> {
    const start = performance.now();
    query();
    this.recorder.run();
    return Promise.resolve({ kernelMs: performance.now() - start });
  }

  override timerAvailable(): boolean {
    return true;
  }

  override epsilon(): number {
    return 1e-7;
  }

  override floatPrecision(): 16 | 32 {
    return 32;
  }

  override dispose(): void {}
}
