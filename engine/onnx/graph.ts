/**
 * An ONNX graph under construction. Nodes are hash-consed: adding the same operation on the same inputs again
 * returns the existing value. This removes common subexpressions; tfjs's gradients repeat many reshapes and
 * transposes of the forward pass.
 */
import {
  type Attribute,
  ELEMENT_TYPE,
  encodeModel,
  type Initializer,
  type Node,
  type ValueInfo,
} from "./proto.ts";
import { isShared } from "../memory.ts";

/** ONNX Runtime's operators for tensors in the blocked layout: see backend.ts. */
export const NCHWC = "com.microsoft.nchwc";

/** ONNX Runtime's other operators. */
export const MICROSOFT = "com.microsoft";

/** An operator set: ONNX's own, or one of ONNX Runtime. */
type Domain = "" | typeof MICROSOFT | typeof NCHWC;

/** Attributes of an operation, by name. */
type Attributes = Readonly<Record<string, Attribute>>;

/** Element types of constants. */
export type ConstantType = keyof typeof ELEMENT_TYPE;

/** Equal constants of up to this many elements become one. */
const SHARED_CONSTANT_SIZE = 1024;

/** Constants of at least this many bytes are stored outside of the model file, if possible. */
const EXTERNAL_SIZE = 65536;

function constantBytes(values: ArrayLike<number>, type: ConstantType): Uint8Array {
  if (type === "float32" && values instanceof Float32Array && isShared(values)) {
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

/**
 * Fuses sums into convolutions. If the only use of a blocked convolution's result is a sum with another
 * blocked image, the convolution can add that image itself, as its fourth input. This saves a pass over
 * memory for each residual connection and for each gradient that is a sum of two.
 *
 * @param nodes The graph's nodes in order.
 * @param sums The values that are sums of two blocked images of equal shapes.
 * @param outputs The graph's outputs.
 */
export function fuseSums(
  nodes: readonly Node[],
  sums: ReadonlySet<string>,
  outputs: readonly string[],
): Node[] {
  const uses = new Map<string, number>();
  for (const name of [...nodes.flatMap(({ inputs }) => inputs), ...outputs]) {
    uses.set(name, (uses.get(name) ?? 0) + 1);
  }
  const producers = new Map(nodes.map((node) => [node.outputs[0]!, node]));
  const fused = new Set<Node>();
  const result = nodes.map((node) => {
    if (node.op !== "Add" || !sums.has(node.outputs[0]!)) return node;
    for (const [summand, other] of [node.inputs, node.inputs.toReversed()] as [string, string][]) {
      const conv = producers.get(summand);
      const free = conv?.op === "Conv" && conv.domain === NCHWC &&
        conv.inputs.length < 4 && !fused.has(conv);
      if (!free || uses.get(summand) !== 1) continue;
      fused.add(conv);
      const [x, filter, bias = ""] = conv.inputs;
      // The convolution takes the place of the sum, where both of its operands are computed.
      const sum = { ...conv, inputs: [x!, filter!, bias, other], outputs: node.outputs };
      producers.set(node.outputs[0]!, sum);
      return sum;
    }
    return node;
  });
  return result.filter((node) => !fused.has(node));
}

/** An ONNX graph under construction. Values are named by strings. */
export class Graph {
  readonly #nodes: Node[] = [];
  readonly #initializers: Initializer[] = [];
  readonly #known = new Map<string, readonly string[]>();
  /** The source and the permutation of each value made by Transpose. */
  readonly #transposes = new Map<string, { source: string; perm: readonly number[] }>();
  /** The sums of two blocked images of equal shapes: see {@linkcode fuseSums}. */
  readonly blockedSums = new Set<string>();
  /** Whether a tensor without elements occurs: ONNX Runtime's WebGPU provider would end the process. */
  hasEmpty = false;
  /** The prefix of the names of nodes that are added: see scopeOf() in graph_error.ts. */
  scope = "";
  /** The name of a node whose stack trace is kept when it is added. */
  watch: string | undefined;
  /** The stack trace of {@linkcode Graph.watch}. */
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
  node(op: string, inputs: readonly string[], attributes?: Attributes, domain?: Domain): string {
    return this.nodes(op, inputs, 1, attributes, domain)[0]!;
  }

  /** Adds an operation and returns the names of its outputs. */
  nodes(
    op: string,
    inputs: readonly string[],
    outputs: number,
    attributes: Attributes = {},
    domain: Domain = "",
  ): readonly string[] {
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

  /** Adds a Transpose. Several in a row become one, or none. */
  transpose(value: string, perm: readonly number[]): string {
    const previous = this.#transposes.get(value);
    const source = previous?.source ?? value;
    const composed = previous === undefined ? perm : perm.map((axis) => previous.perm[axis]!);
    if (composed.every((axis, i) => axis === i)) return source;
    const transposed = this.node("Transpose", [source], { perm: composed });
    this.#transposes.set(transposed, { source, perm: composed });
    return transposed;
  }

  /** Adds a constant and returns its name. */
  constant(values: ArrayLike<number>, shape: readonly number[], type: ConstantType): string {
    const shared = values.length <= SHARED_CONSTANT_SIZE;
    // -0 and 0 differ in bytes and must not become one, but String(-0) is "0".
    const text = shared ? Array.from(values, (v) => Object.is(v, -0) ? "-0" : String(v)) : [];
    const key = `${type}[${shape}]${text}`;
    const known = shared ? this.#known.get(key) : undefined;
    if (known !== undefined) return known[0]!;
    const name = this.#fresh("constant");
    const bytes = constantBytes(values, type);
    this.#initializers.push({ name, elementType: ELEMENT_TYPE[type], shape, bytes });
    if (shared) this.#known.set(key, [name]);
    return name;
  }

  /** A constant list of int64 numbers, which ONNX uses for shapes, axes and the like. */
  int64s(values: readonly number[]): string {
    return this.constant(values, [values.length], "int64");
  }

  /** A constant float32 scalar. */
  scalar(value: number): string {
    return this.constant([value], [], "float32");
  }

  /**
   * The nodes and the constants that `values` depend on, in order, and the names of all values that they
   * depend on, including themselves. tfjs also computes gradients that are not used.
   */
  needed(values: readonly string[]) {
    const used = new Set(values);
    const nodes: Node[] = [];
    for (const node of this.#nodes.toReversed()) {
      if (!node.outputs.some((output) => used.has(output))) continue;
      node.inputs.forEach((input) => used.add(input));
      nodes.push(node);
    }
    const constants = this.#initializers.filter(({ name }) => used.has(name));
    return { nodes: nodes.reverse(), constants, used };
  }

  /**
   * The graph as the bytes of an ONNX model file.
   *
   * @param external Receives large constants by name. In the file they would take their memory twice, and
   * three times while ONNX Runtime reads it.
   */
  encode(
    inputs: readonly ValueInfo[],
    outputs: readonly ValueInfo[],
    external?: Map<string, Uint8Array>,
  ): Uint8Array {
    const names = outputs.map(({ name }) => name);
    const nodes = this.#named(fuseSums(this.needed(names).nodes, this.blockedSums, names), names);
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
   * Renames the values that are outputs. Inputs, constants, and values that are several outputs cannot be
   * renamed; they get an Identity, which is a copy.
   */
  #named(nodes: readonly Node[], values: readonly string[]): Node[] {
    const made = new Set(nodes.flatMap(({ outputs }) => outputs));
    const names = new Map<string, string>();
    const ends: Node[] = [];
    values.forEach((value, i) => {
      const name = `output_${i}`;
      if (made.has(value) && !names.has(value)) names.set(value, name);
      else {
        const identity = { op: "Identity", domain: "", attributes: {}, name };
        ends.push({ ...identity, inputs: [value], outputs: [name] });
      }
    });
    const renamed = (value: string) => names.get(value) ?? value;
    return [...nodes, ...ends].map((node) => ({
      ...node,
      inputs: node.inputs.map(renamed),
      outputs: node.outputs.map(renamed),
    }));
  }
}
