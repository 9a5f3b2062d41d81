/**
 * Records operations as tfjs calls them, and runs them as one graph when a value is read. Tensors that the
 * host wrote are inputs of the graph, not constants. The next step of a loop is then the same graph with
 * other inputs, and runs in the same session.
 */
import type { DType, HostArray } from "../tree.ts";
import { Graph, NCHWC } from "./graph.ts";
import { ELEMENT_TYPE, type Initializer, type Node, type ValueInfo } from "./proto.ts";
import type { OpenSession, SessionOptions, SyncSession } from "./session.ts";

/** A tensor of the onnx backend: its shape, and its values, in a graph or in an array. */
export interface Entry {
  /** Channels last. */
  readonly shape: readonly number[];
  readonly dtype: DType;
  /** The number of tfjs tensors that share it. */
  references: number;
  /** The graph that contains {@linkcode Entry.plain} and {@linkcode Entry.blocked}. */
  graph?: Graph | undefined;
  /** The value in tfjs's layout. */
  plain?: string | undefined;
  /** The value in the blocked layout. */
  blocked?: string | undefined;
  /** The elements, if they are known: the host wrote them, or they were read before. */
  data?: HostArray["data"] | undefined;
  /** The error that made the elements unavailable. */
  error?: unknown;
}

/** The value of a tensor in tfjs's layout. The graph must contain it in either layout. */
export function plainValue(entry: Entry, graph: Graph): string {
  entry.plain ??= graph.node("ReorderOutput", [entry.blocked!], {
    channels: entry.shape[3]!,
    channels_last: 1,
  }, NCHWC);
  return entry.plain;
}

const latin1 = new TextDecoder("latin1");

/**
 * Describes a graph such that equal texts mean equal graphs. Names of values depend on what else was
 * recorded, so they are replaced by positions. Constants are included to the last bit.
 */
function structureOf(graph: {
  nodes: readonly Node[];
  constants: readonly Initializer[];
  inputs: readonly ValueInfo[];
  outputs: readonly string[];
}): string {
  const positions = new Map<string, number>([["", -1]]);
  const define = (name: string) => positions.set(name, positions.size);
  const parts: string[] = [];
  for (const { name, elementType, shape } of graph.inputs) {
    define(name);
    parts.push(`${elementType}[${shape}]`);
  }
  for (const { name, elementType, shape, bytes } of graph.constants) {
    define(name);
    parts.push(`${elementType}[${shape}]${latin1.decode(bytes)}`);
  }
  for (const { op, domain, inputs, attributes, outputs } of graph.nodes) {
    const operands = inputs.map((name) => positions.get(name)).join();
    parts.push(`${domain}.${op}(${operands})${JSON.stringify(attributes)}${outputs.length}`);
    outputs.forEach(define);
  }
  parts.push(graph.outputs.map((name) => positions.get(name)).join());
  return parts.join("\n");
}

/** Sessions are kept for this many structures; the least recently used goes first. */
const MAX_SESSIONS = 32;

/** This many operations are run even if no value was read. */
const MAX_PENDING = 4096;

/** Counts of a recorder's work. */
export interface RecorderStatistics {
  /** Graphs that were run. */
  readonly runs: number;
  /** Sessions that were made, for structures that were new or had been dropped. */
  readonly sessionsMade: number;
  /** Sessions that are kept. */
  readonly sessions: number;
  /** Operations that were not run yet. */
  readonly pending: number;
  /** Tensors whose values are not computed yet. */
  readonly pendingTensors: number;
}

export class Recorder {
  /** The pending operations. */
  graph = new Graph();
  /** The tensors in use whose values are in the graph. */
  readonly #pending = new Set<Entry>();
  /** The tensors that are inputs of the graph, by the names of their values. */
  readonly #inputs = new Map<string, Entry>();
  readonly #sessions = new Map<string, SyncSession>();
  /** Whether the operations of a gradient are pending. */
  #gradientPending = false;
  /** Whether the last kernel was part of the forward pass of a gradient. */
  #inForward = false;
  #runs = 0;
  #made = 0;

  /** `open` loads a graph, with the options that `options` returns at that time. */
  constructor(private readonly open: OpenSession, private readonly options: () => SessionOptions) {}

  /** Counts of the work so far. */
  get statistics(): RecorderStatistics {
    return {
      runs: this.#runs,
      sessionsMade: this.#made,
      sessions: this.#sessions.size,
      pending: this.graph.size,
      pendingTensors: this.#pending.size,
    };
  }

  /** Makes a tensor whose elements are known an input of the graph, and returns the input's name. */
  feed(entry: Entry): string {
    const name = `input_${this.#inputs.size}`;
    this.#inputs.set(name, entry);
    return name;
  }

  /** Adds a tensor in use, whose elements are computed when the graph is run. */
  add(entry: Entry): void {
    this.#pending.add(entry);
  }

  delete(entry: Entry): void {
    this.#pending.delete(entry);
  }

  /**
   * Must be called before a kernel adds its operations. Runs the pending operations if a new gradient begins
   * while another is pending. A training loop that rarely reads its losses then runs step by step in one
   * session, and not as one endless graph.
   *
   * @param inForward Whether the kernel is part of the forward pass of a gradient.
   */
  begin(inForward: boolean): void {
    const { size } = this.graph;
    if (size === 0) this.#gradientPending = false;
    const starts = inForward && !this.#inForward;
    this.#inForward = inForward;
    if (size >= MAX_PENDING || (starts && this.#gradientPending)) {
      this.run();
      this.#gradientPending = false;
    }
    this.#gradientPending ||= inForward;
  }

  /**
   * Runs the pending operations. Every tensor in use gets its elements, and a new graph begins.
   *
   * @throws {GraphError} If ONNX Runtime fails. The values of the tensors are lost.
   */
  run(): void {
    const { graph } = this;
    const entries = [...this.#pending];
    const inputs = new Map(this.#inputs);
    this.graph = new Graph();
    this.#pending.clear();
    this.#inputs.clear();
    try {
      const wanted = new Map<string, Entry>();
      for (const entry of entries) wanted.set(plainValue(entry, graph), entry);
      const values = this.#compute(graph, inputs, wanted);
      for (const entry of entries) entry.data = values.get(entry.plain!)!;
    } catch (error) {
      for (const entry of entries) entry.error = error;
      throw error;
    } finally {
      for (const entry of entries) entry.graph = entry.plain = entry.blocked = undefined;
    }
  }

  /** Computes values by name. */
  #compute(
    graph: Graph,
    given: ReadonlyMap<string, Entry>,
    wanted: ReadonlyMap<string, Entry>,
  ): Map<string, HostArray["data"]> {
    const values = new Map<string, HostArray["data"]>();
    const outputs: { name: string; shape: readonly number[]; elementType: number }[] = [];
    for (const [name, { shape, dtype }] of wanted) {
      const input = given.get(name);
      if (input !== undefined) values.set(name, input.data!);
      else outputs.push({ name, shape, elementType: ELEMENT_TYPE[dtype] });
    }
    if (outputs.length === 0) return values;
    const names = outputs.map(({ name }) => name);
    const { nodes, constants, used } = graph.needed(names);
    const sources = [...given].filter(([name]) => used.has(name));
    const inputs = sources.map(([name, { shape, dtype }]) => ({
      name,
      shape,
      elementType: ELEMENT_TYPE[dtype],
    }));
    const structure = structureOf({ nodes, constants, inputs, outputs: names });
    const session = this.#session(structure, () => graph.encode(inputs, outputs));
    const results = session.run(
      sources.map(([, { shape, dtype, data }]) => ({ shape, dtype, data: data! })),
    );
    this.#runs++;
    names.forEach((name, i) => values.set(name, results[i]!.data));
    return values;
  }

  #session(structure: string, encode: () => Uint8Array): SyncSession {
    let session = this.#sessions.get(structure);
    if (session === undefined) {
      session = this.open(encode(), this.options());
      this.#made++;
    }
    this.#sessions.delete(structure); // re-inserted below as the most recently used
    this.#sessions.set(structure, session);
    if (this.#sessions.size > MAX_SESSIONS) {
      const [oldest, { dispose }] = this.#sessions.entries().next().value!;
      this.#sessions.delete(oldest);
      dispose();
    }
    return session;
  }

  /** Releases the sessions. */
  dispose(): void {
    for (const session of this.#sessions.values()) session.dispose();
    this.#sessions.clear();
  }
}
