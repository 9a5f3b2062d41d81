/**
 * Operations recorded as tfjs calls them, to be run as one graph when a value is wanted. What the host
 * wrote is fed to the graph, so that the next step of a loop, with other numbers, is the same graph,
 * and runs in the session that the first one made.
 */
import type { HostArray } from "../tree.ts";
import { type Entry, plainValue } from "./entry.ts";
import { Graph } from "./graph.ts";
import { ELEMENT_TYPE } from "./proto.ts";
import type { SessionOptions } from "./session.ts";
import { structureOf } from "./structure.ts";
import type { OpenSession, SyncSession } from "./sync_session.ts";

/** Sessions are kept for this many structures; the one unused longest goes first. */
const MAX_SESSIONS = 32;

/** Operations that may wait before they are run although nothing was read. */
const MAX_PENDING = 4096;

/** Counts of what a recorder did. */
export interface RecorderStatistics {
  /** Graphs that were run. */
  readonly runs: number;
  /** Sessions that were made: structures not seen before, or forgotten since. */
  readonly sessionsMade: number;
  /** Sessions that are kept. */
  readonly sessions: number;
  /** Operations that wait to be run. */
  readonly pending: number;
  /** Tensors whose values wait to be computed. */
  readonly pendingTensors: number;
}

/** Records operations, and runs them. */
export class Recorder {
  /** What is pending. */
  graph = new Graph();
  /** Tensors in use whose values the graph holds. */
  readonly #pending = new Set<Entry>();
  /** Tensors that are fed to the graph, by the names of their values. */
  readonly #inputs = new Map<string, Entry>();
  readonly #sessions = new Map<string, SyncSession>();
  readonly #open: OpenSession;
  readonly #options: () => SessionOptions;
  /** Whether a gradient is pending, and whether the last kernel was part of one's forward pass. */
  #gradientPending = false;
  #inForward = false;
  #runs = 0;
  #made = 0;

  /**
   * Starts with nothing pending.
   *
   * @param open Loads graphs.
   * @param options Is asked for each session.
   */
  constructor(open: OpenSession, options: () => SessionOptions) {
    this.#open = open;
    this.#options = options;
  }

  /** Counts of what was done so far. */
  get statistics(): RecorderStatistics {
    return {
      runs: this.#runs,
      sessionsMade: this.#made,
      sessions: this.#sessions.size,
      pending: this.graph.size,
      pendingTensors: this.#pending.size,
    };
  }

  /** Feeds a tensor whose elements are known to the graph. */
  feed(entry: Entry): string {
    const name = `input_${this.#inputs.size}`;
    this.#inputs.set(name, entry);
    return name;
  }

  /** Remembers a tensor that the graph holds, to be computed when the graph is run. */
  add(entry: Entry): void {
    this.#pending.add(entry);
  }

  /** Forgets a tensor that is not used any more. */
  delete(entry: Entry): void {
    this.#pending.delete(entry);
  }

  /**
   * Is told of each kernel before it adds its operations. Runs what is pending where a new gradient
   * begins and another one is pending: a training loop that reads its losses rarely is run step by step,
   * each in the same session, and not as one endless graph.
   *
   * @param inForward Whether the kernel is part of what a gradient is taken of.
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
   * Runs what is pending: every tensor in use gets its elements, and the next graph begins.
   *
   * @throws {GraphError} If ONNX Runtime fails. The tensors are lost.
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

  /** Elements of values by their names. */
  #compute(
    graph: Graph,
    fed: ReadonlyMap<string, Entry>,
    wanted: ReadonlyMap<string, Entry>,
  ): Map<string, HostArray["data"]> {
    const values = new Map<string, HostArray["data"]>();
    const outputs: { name: string; shape: readonly number[]; elementType: number }[] = [];
    for (const [name, { shape, dtype }] of wanted) {
      const input = fed.get(name);
      if (input !== undefined) values.set(name, input.data!);
      else outputs.push({ name, shape, elementType: ELEMENT_TYPE[dtype] });
    }
    if (outputs.length === 0) return values;
    const names = outputs.map(({ name }) => name);
    const { nodes, constants } = graph.needed(names);
    const used = new Set(nodes.flatMap(({ inputs }) => inputs));
    const sources = [...fed].filter(([name]) => used.has(name));
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
      session = this.#open(encode(), this.#options());
      this.#made++;
    }
    this.#sessions.delete(structure); // to be put back as the one used last
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
