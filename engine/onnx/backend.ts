/**
 * A tfjs backend that records instead of computing. Every kernel that is called, in the forward pass, in
 * tfjs's gradients or in the optimizer, adds its operations to an ONNX graph. While compile() traces a
 * function, that is the function's graph; otherwise it is the graph of the {@linkcode Recorder}, which runs
 * when a value is read.
 *
 * A tensor of images can have two layouts. "Plain" is tfjs's [N, H, W, C]. "Blocked" is ONNX Runtime's NCHWc,
 * [N, C/b, H, W, b] in memory with the nominal shape [N, C, H, W]. One is made of the other when needed.
 * Convolutions take and return blocked tensors, and element-wise kernels keep the layout of their inputs, so
 * a whole UNet runs without a change of layout. See layout.ts.
 */
import { UserError } from "@nanodiffusion/base/errors";
import * as tf from "../tf.ts";
import { ARRAY_OF, type DType, type HostArray, sameShape, sizeOf } from "../tree.ts";
import { type ConstantType, type Graph, MICROSOFT, NCHWC } from "./graph.ts";
import { currentOperation, scopeOf } from "./graph_error.ts";
import { ELEMENT_TYPE } from "./proto.ts";
import { type Entry, plainValue, type Recorder } from "./recorder.ts";

/** A kernel: adds its operations to the backend's graph. Records of kernels have tfjs's names as keys. */
export type Kernel = (
  // deno-lint-ignore no-explicit-any
  inputs: any,
  // deno-lint-ignore no-explicit-any
  attrs: any,
  backend: OnnxBackend,
) => tf.TensorInfo | tf.TensorInfo[];

/** Thrown by a kernel, before it records anything, if ONNX has no equivalent for its inputs. */
export class NoCounterpart extends Error {}

const readInTrace = () =>
  new UserError(
    "Traced code must not read values (dataSync, arraySync): return the tensor from the compiled " +
      "function, and read it outside.",
  );

function checkType(dtype: string): void {
  if (dtype in ARRAY_OF) return;
  throw new UserError(`The onnx device has no tensors of type ${dtype}.`);
}

/**
 * Refuses tensors that tfjs's random operations make in traced code. They would be sampled once, during
 * the trace, and be the same constants in every call.
 */
function refuseRandomNumbers(): void {
  const operation = currentOperation();
  if (operation === undefined || !/^tf\.(random[A-Z]|truncatedNormal)/.test(operation)) return;
  throw new UserError(
    `${operation}() in traced code would return the same numbers in every call: sample them outside, ` +
      "and pass them to the compiled function. (Dropout samples numbers, too.)",
  );
}

/** The name under which the backend is registered with tfjs. */
export const BACKEND_NAME = "onnx";

/** The backend. A process has one; {@linkcode OnnxBackend.trace} sets the graph that it traces into. */
export class OnnxBackend extends tf.KernelBackend {
  #entries = new WeakMap<object, Entry>();
  #count = 0;
  #traced: Graph | undefined;
  #triedToRead = false;
  /** The tensors that the running kernel made. */
  #made = new Set<object>();
  /** The block size b of the blocked layout; 0 if ONNX Runtime has no such layout for this processor. */
  blockSize = 0;
  /** Whether the traced graph is for a GPU. */
  forGpu = false;

  /** `recorder` records and runs the operations outside traced code. */
  constructor(readonly recorder: Recorder) {
    super();
  }

  /** The graph being built. */
  get graph(): Graph {
    return this.#traced ?? this.recorder.graph;
  }

  /** Whether compile() is tracing a function. */
  get tracing(): boolean {
    return this.#traced !== undefined;
  }

  /** Runs `fn`, and adds the operations that it calls to a graph. */
  trace<Result>(graph: Graph, fn: () => Result): Result {
    if (this.#traced !== undefined) {
      throw new UserError("compile() cannot be called in traced code.");
    }
    this.#traced = graph;
    this.#triedToRead = false;
    try {
      const result = fn();
      if (this.#triedToRead) throw readInTrace();
      return result;
    } finally {
      this.#traced = undefined;
    }
  }

  /**
   * Runs a kernel, which adds its operations. tfjs disposes of the kernel's results; its intermediate values
   * are released here, so that they are not computed needlessly.
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

  /** The entry of a tensor, as a value of the graph being built. */
  entry(tensor: tf.TensorInfo): Entry {
    const entry = this.#known(tensor.dataId);
    if (entry.graph !== this.graph) this.#bind(entry);
    return entry;
  }

  #known(dataId: object): Entry {
    let entry = this.#entries.get(dataId);
    if (entry === undefined) {
      if (this.tracing) {
        throw new UserError("A tensor of another device was used in traced code.");
      }
      // tfjs's own backends do the same with tensors of another backend.
      tf.engine().moveData(this, dataId);
      entry = this.#entries.get(dataId)!;
    }
    return entry;
  }

  /** Makes a tensor a value of the graph being built: a constant of a trace, or an input. */
  #bind(entry: Entry): void {
    const { shape, dtype } = entry;
    const data = this.#elements(entry);
    checkType(dtype);
    entry.graph = this.graph;
    entry.blocked = undefined;
    entry.plain = this.#traced?.constant(data, shape, dtype) ?? this.recorder.feed(entry);
  }

  /** The elements of a tensor. Runs the pending operations if they are not known yet. */
  #elements(entry: Entry): HostArray["data"] {
    if (entry.data === undefined && entry.graph === this.recorder.graph) this.recorder.run();
    if (entry.error !== undefined) throw entry.error;
    if (entry.data !== undefined) return entry.data;
    throw new UserError(
      "A tensor of traced code was used after the compiled function had returned: return it from " +
        "the function.",
    );
  }

  /** The elements of a tensor if the host wrote or read them, so that nothing needs to run. */
  known(tensor: tf.TensorInfo): HostArray["data"] | undefined {
    return this.tracing ? undefined : this.#entries.get(tensor.dataId)?.data;
  }

  /** The value of a tensor in the plain layout. */
  plain(tensor: tf.TensorInfo): string {
    const entry = this.entry(tensor);
    const value = plainValue(entry, this.graph);
    // Tensors of another backend may share elements under several shapes.
    return sameShape(entry.shape, tensor.shape) ? value : this.reshape(value, tensor.shape);
  }

  /** The value of a tensor [N, H, W, C] in the blocked layout; C is a multiple of the block size. */
  blocked(tensor: tf.TensorInfo): string {
    const entry = this.entry(tensor);
    if (entry.blocked !== undefined) return entry.blocked;
    const blocked = this.graph.node(
      "ReorderInput",
      [this.plain(tensor)],
      { channels_last: 1 },
      NCHWC,
    );
    if (sameShape(entry.shape, tensor.shape)) entry.blocked = blocked;
    return blocked;
  }

  /** A new tensor of a value in the plain layout. */
  tensor(plain: string, shape: readonly number[], dtype: string = "float32"): tf.TensorInfo {
    return this.#register({ plain, shape, dtype: dtype as DType });
  }

  /** A new tensor [N, H, W, C] of a value in the blocked layout. */
  blockedTensor(blocked: string, shape: readonly number[]): tf.TensorInfo {
    return this.#register({ blocked, shape, dtype: "float32" });
  }

  #register(value: Pick<Entry, "plain" | "blocked" | "shape" | "dtype">): tf.TensorInfo {
    const entry: Entry = { ...value, references: 1, graph: this.graph };
    if (sizeOf(entry.shape) === 0) this.graph.hasEmpty = true;
    const dataId = {};
    this.#entries.set(dataId, entry);
    this.#count++;
    this.#made.add(dataId);
    if (!this.tracing) this.recorder.add(entry);
    return { dataId, shape: [...entry.shape], dtype: entry.dtype };
  }

  /** Another tensor with the same values, which are kept while either is in use. */
  share(tensor: tf.TensorInfo): tf.TensorInfo {
    this.#known(tensor.dataId).references++;
    const { dataId, shape, dtype } = tensor;
    return { dataId, shape, dtype };
  }

  // The methods of the graph being built.

  readonly node: Graph["node"] = (...operation) => this.graph.node(...operation);
  readonly nodes: Graph["nodes"] = (...operation) => this.graph.nodes(...operation);
  readonly transpose: Graph["transpose"] = (value, perm) => this.graph.transpose(value, perm);
  readonly constant: Graph["constant"] = (...constant) => this.graph.constant(...constant);
  readonly int64s: Graph["int64s"] = (values) => this.graph.int64s(values);
  readonly scalar: Graph["scalar"] = (value) => this.graph.scalar(value);

  /** Converts a value to another element type. */
  cast(value: string, to: ConstantType): string {
    return this.node("Cast", [value], { to: ELEMENT_TYPE[to] });
  }

  /** Adds a Reshape. */
  reshape(value: string, shape: readonly number[]): string {
    // By default ONNX copies a dimension of the input where the shape has a 0.
    const attributes = shape.includes(0) ? { allowzero: 1 } : undefined;
    return this.node("Reshape", [value, this.int64s(shape)], attributes);
  }

  /**
   * The product of two values [..., rows, inner] and [..., inner, columns] of float32.
   *
   * @param transposed Whether the last two axes of each are exchanged.
   * @param ranks The rank of each.
   */
  product(
    values: readonly [string, string],
    transposed: readonly [boolean, boolean],
    ranks: readonly [number, number] = [2, 2],
  ): string {
    if (!transposed[0] && !transposed[1]) return this.node("MatMul", values);
    const [transA, transB] = [Number(transposed[0]), Number(transposed[1])];
    if (!this.forGpu) return this.node("FusedMatMul", values, { transA, transB }, MICROSOFT);
    // FusedMatMul would run on the processor.
    if (ranks[0] === 2 && ranks[1] === 2) return this.node("Gemm", values, { transA, transB });
    return this.node(
      "MatMul",
      values.map((value, i) => transposed[i] ? this.swapped(value, ranks[i]!) : value),
    );
  }

  /** A value with its last two axes exchanged. */
  swapped(value: string, rank: number): string {
    const axes = Array.from({ length: rank }, (_, axis) => axis);
    return this.transpose(value, [...axes.slice(0, -2), rank - 1, rank - 2]);
  }

  /** The elements at constant indices along an axis. */
  pick(value: string, indices: ArrayLike<number>, axis: number): string {
    const chosen = this.constant(indices, [indices.length], "int32");
    return this.node("Gather", [value, chosen], { axis });
  }

  /** Reverses some axes. */
  reverse(value: string, axes: readonly number[]): string {
    const all = (number: number) => this.int64s(axes.map(() => number));
    return this.node("Slice", [value, all(-1), all(-(2 ** 31)), this.int64s(axes), all(-1)]);
  }

  // The methods that tfjs calls.

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
    const graph = this.#traced;
    if (graph !== undefined) {
      checkType(dtype);
      refuseRandomNumbers();
      if (sizeOf(shape) === 0) graph.hasEmpty = true;
    }
    const numbers = values as Float32Array;
    const type = dtype as DType; // or a type that only the host supports: see host_kernel.ts
    const copy = () => new ARRAY_OF[dtype === "complex64" ? "float32" : type](numbers);
    // A copy, because the caller may change the array.
    const held = graph !== undefined
      ? { graph, plain: graph.constant(numbers, shape, type) }
      : { data: dtype === "string" ? numbers : copy() };
    this.#entries.set(dataId, { shape, dtype: type, references, ...held });
    this.#count++;
  }

  override readSync(dataId: object): tf.backend_util.BackendValues {
    if (this.tracing) throw readInTrace();
    // A copy, because the caller may change it.
    return this.#elements(this.#known(dataId)).slice();
  }

  override read(dataId: object): Promise<tf.backend_util.BackendValues> {
    if (this.tracing) {
      // trace() throws at its end. If nothing awaits a rejected promise here, the error would be missed or
      // would end the program.
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
    return { unreliable: true, reasons: ["The memory of ONNX Runtime's sessions is not counted."] };
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
