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

function constantBytes(values: ArrayLike<number>, type: ConstantType): Uint8Array {
  switch (type) {
    case "float32":
      return new Uint8Array(Float32Array.from(values).buffer);
    case "int32":
      return new Uint8Array(Int32Array.from(values).buffer);
    case "int64":
      return new Uint8Array(BigInt64Array.from(Array.from(values, BigInt)).buffer);
    case "bool":
      return Uint8Array.from(values);
  }
}

/** An ONNX graph under construction. Values are named by strings. */
export class Graph {
  readonly #nodes: Node[] = [];
  readonly #initializers: Initializer[] = [];
  readonly #known = new Map<string, readonly string[]>();
  /** Sums of two blocked images of equal shapes: see fuse.ts. */
  readonly blockedSums = new Set<string>();
  /** What the nodes being added are for; it goes into their names. */
  scope = "";
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
    this.#nodes.push({
      op,
      domain,
      inputs,
      outputs: names,
      attributes,
      name: this.scope === "" ? name : `${this.scope}/${name}`,
    });
    this.#known.set(key, names);
    return names;
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

  /** The graph as the bytes of an ONNX model file. */
  encode(inputs: readonly ValueInfo[], outputs: readonly ValueInfo[]): Uint8Array {
    // A value may be an input, or stand for several outputs: Identity gives each output a name.
    const ends = outputs.map(({ name }, i): Node => ({
      op: "Identity",
      domain: "",
      inputs: [name],
      outputs: [`output_${i}`],
      attributes: {},
      name: `output_${i}`,
    }));
    const names = outputs.map(({ name }) => name);
    const nodes = [...fuseSums(this.#needed(names), this.blockedSums, names), ...ends];
    const used = new Set(nodes.flatMap(({ inputs }) => inputs));
    return encodeModel({
      nodes,
      initializers: this.#initializers.filter(({ name }) => used.has(name)),
      inputs,
      outputs: outputs.map((output, i) => ({ ...output, name: `output_${i}` })),
    });
  }
}
