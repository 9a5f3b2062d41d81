/**
 * A graph under construction. Nodes are hash-consed: asking twice for the same operation on the same
 * inputs gives the same value, which removes common subexpressions (tfjs's gradients repeat many of
 * the forward pass's reshapes and transposes) as they arise.
 */
import {
  type Attribute,
  ELEMENT_TYPE,
  encodeModel,
  type Initializer,
  type Node,
  type ValueInfo,
} from "./proto.ts";
import { fuseSums } from "./fuse.ts";
import { isLent } from "../lent.ts";

/** Element types of constants. */
export type ConstantType = keyof typeof ELEMENT_TYPE;

/** Options of {@linkcode Graph.nodes}. */
export interface NodeOptions {
  /** Attributes by name. */
  attributes?: Record<string, Attribute>;
  /** The operator set; ONNX's own by default. */
  domain?: "" | "com.microsoft" | "com.microsoft.nchwc";
  /** Number of outputs, 1 by default. */
  outputs?: number;
}

/** Constants of up to this many elements are shared when they are equal. */
const SHARED_CONSTANT_SIZE = 1024;

/** Constants of at least this many bytes are kept outside of model files that may have such. */
const EXTERNAL_SIZE = 65536;

function constantBytes(values: ArrayLike<number>, type: ConstantType): Uint8Array {
  if (type === "float32" && values instanceof Float32Array && isLent(values)) {
    return new Uint8Array(values.buffer as ArrayBuffer, values.byteOffset, values.byteLength);
  }
  switch (type) {
    case "float32":
      return new Uint8Array(Float32Array.from(values).buffer);
    case "float64":
      return new Uint8Array(Float64Array.from(values).buffer);
    case "int32":
      return new Uint8Array(Int32Array.from(values).buffer);
    case "int64":
      return new Uint8Array(BigInt64Array.from(Array.from(values, BigInt)).buffer);
    case "uint8":
    case "bool":
      return Uint8Array.from(values);
  }
}

function stackTrace(): string {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 100;
  const { stack = "" } = new Error();
  Error.stackTraceLimit = stackTraceLimit;
  return stack;
}

/** An ONNX graph under construction. Values are named by strings. */
export class Graph {
  readonly #nodes: Node[] = [];
  readonly #initializers: Initializer[] = [];
  readonly #known = new Map<string, readonly string[]>();
  /** Of each value made by Transpose: what it is a transpose of, and how. */
  readonly #transposes = new Map<string, { source: string; perm: readonly number[] }>();
  /** Sums of two blocked images of equal shapes: see fuse.ts. */
  readonly blockedSums = new Set<string>();
  /** What the nodes being added are for; it goes into their names. */
  scope = "";
  /** The name of a node of which the stack is to be kept when it is added. */
  watch: string | undefined;
  /** The stack of {@linkcode Graph.watch}. */
  watchedStack: string | undefined;
  #count = 0;

  /** The number of nodes so far. */
  get size(): number {
    return this.#nodes.length;
  }

  #fresh(prefix: string): string {
    return `${prefix}_${this.#count++}`;
  }

  /** Adds an operation with one output and returns the output's name. */
  node(op: string, inputs: readonly string[], options: NodeOptions = {}): string {
    return this.nodes(op, inputs, options)[0]!;
  }

  /** Adds an operation and returns the names of its outputs. */
  nodes(op: string, inputs: readonly string[], options: NodeOptions = {}): readonly string[] {
    const { attributes = {}, domain = "", outputs = 1 } = options;
    const key = JSON.stringify([domain, op, inputs, attributes, outputs]);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const name = this.#fresh(op);
    const names = Array.from({ length: outputs }, (_, i) => i === 0 ? name : `${name}.${i}`);
    const label = this.scope === "" ? name : `${this.scope}/${name}`;
    if (label === this.watch) this.watchedStack = stackTrace();
    this.#nodes.push({ op, domain, inputs, outputs: names, attributes, name: label });
    this.#known.set(key, names);
    return names;
  }

  /** Adds a Transpose; transposes of transposes become one, or none. */
  transpose(value: string, perm: readonly number[]): string {
    const previous = this.#transposes.get(value);
    const source = previous?.source ?? value;
    const composed = previous === undefined ? perm : perm.map((axis) => previous.perm[axis]!);
    if (composed.every((axis, i) => axis === i)) return source;
    const transposed = this.node("Transpose", [source], { attributes: { perm: composed } });
    this.#transposes.set(transposed, { source, perm: composed });
    return transposed;
  }

  /** Adds a constant and returns its name. */
  constant(values: ArrayLike<number>, shape: readonly number[], type: ConstantType): string {
    const shared = values.length <= SHARED_CONSTANT_SIZE;
    // -0 and 0 differ in bytes and must not share; String(-0) is "0".
    const spelled = shared ? Array.from(values, (v) => Object.is(v, -0) ? "-0" : String(v)) : [];
    const key = `${type}[${shape}]${spelled}`;
    const known = shared ? this.#known.get(key) : undefined;
    if (known !== undefined) return known[0]!;
    const name = this.#fresh("constant");
    const bytes = constantBytes(values, type);
    this.#initializers.push({ name, elementType: ELEMENT_TYPE[type], shape, bytes });
    if (shared) this.#known.set(key, [name]);
    return name;
  }

  /** A list of int64 numbers, as ONNX wants shapes, axes and the like. */
  int64s(values: readonly number[]): string {
    return this.constant(values, [values.length], "int64");
  }

  /** A float32 scalar. */
  scalar(value: number): string {
    return this.constant([value], [], "float32");
  }

  /** The nodes that `values` depend on, in order; gradients that nobody asked for are left out. */
  #needed(values: readonly string[]): Node[] {
    const needed = new Set(values);
    const kept: Node[] = [];
    for (const node of this.#nodes.toReversed()) {
      if (!node.outputs.some((output) => needed.has(output))) continue;
      node.inputs.forEach((input) => needed.add(input));
      kept.push(node);
    }
    return kept.reverse();
  }

  /** The names of all values that `values` depend on, themselves among them. */
  used(values: readonly string[]): ReadonlySet<string> {
    return new Set([...values, ...this.#needed(values).flatMap(({ inputs }) => inputs)]);
  }

  /** The nodes, and the constants, that `values` depend on, in order. */
  needed(values: readonly string[]): { nodes: Node[]; constants: Initializer[] } {
    const nodes = this.#needed(values);
    const used = this.used(values);
    return { nodes, constants: this.#initializers.filter(({ name }) => used.has(name)) };
  }

  /**
   * The graph as the bytes of an ONNX model file.
   *
   * @param external Large constants are put here by their names instead of into the file, where they
   * would be twice in memory, and a third time while ONNX Runtime reads it.
   */
  encode(
    inputs: readonly ValueInfo[],
    outputs: readonly ValueInfo[],
    external?: Map<string, Uint8Array>,
  ): Uint8Array {
    const names = outputs.map(({ name }) => name);
    const nodes = this.#named(fuseSums(this.#needed(names), this.blockedSums, names), names);
    const used = new Set(nodes.flatMap(({ inputs }) => inputs));
    const initializers = this.#initializers.filter(({ name }) => used.has(name)).map((constant) =>
      external !== undefined && constant.bytes.length >= EXTERNAL_SIZE
        ? { ...constant, external: true }
        : constant
    );
    for (const { name, bytes, external: isExternal = false } of initializers) {
      if (isExternal) external!.set(name, bytes);
    }
    return encodeModel({
      nodes,
      initializers,
      inputs,
      outputs: outputs.map((output, i) => ({ ...output, name: `output_${i}` })),
    });
  }

  /**
   * Gives the values that are outputs the names of outputs. An Identity does so for inputs, constants
   * and values that are several outputs; where it is not needed it would be a copy.
   */
  #named(nodes: readonly Node[], values: readonly string[]): Node[] {
    const made = new Set(nodes.flatMap(({ outputs }) => outputs));
    const names = new Map<string, string>();
    const ends: Node[] = [];
    values.forEach((value, i) => {
      const name = `output_${i}`;
      if (made.has(value) && !names.has(value)) names.set(value, name);
      else {ends.push({
          op: "Identity",
          domain: "",
          inputs: [value],
          outputs: [name],
          attributes: {},
          name,
        });}
    });
    const renamed = (value: string) => names.get(value) ?? value;
    return [...nodes, ...ends].map((node) => ({
      ...node,
      inputs: node.inputs.map(renamed),
      outputs: node.outputs.map(renamed),
    }));
  }
}
