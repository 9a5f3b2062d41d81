/** What the onnx backend knows of a tensor. */
import type { DType, HostArray } from "../tree.ts";
import type { Graph } from "./graph.ts";

/** A tensor: its shape, and what holds its values, a graph or an array. */
export interface Entry {
  /** Its shape, channels last. */
  readonly shape: readonly number[];
  /** Its element type. */
  readonly dtype: DType;
  /** How many tensors of tfjs share it. */
  references: number;
  /** The graph that {@linkcode Entry.plain} and {@linkcode Entry.blocked} are values of. */
  graph?: Graph | undefined;
  /** The value in tfjs's layout. */
  plain?: string | undefined;
  /** The value in the blocked layout. */
  blocked?: string | undefined;
  /** The elements, where they are known: written by the host, or read before. */
  data?: HostArray["data"] | undefined;
  /** Why the elements cannot be had. */
  error?: unknown;
}

/** The value of a tensor in tfjs's layout; its graph has it in at least one. */
export function plainValue(entry: Entry, graph: Graph): string {
  entry.plain ??= graph.node("ReorderOutput", [entry.blocked!], {
    domain: "com.microsoft.nchwc",
    attributes: { channels: entry.shape[3]!, channels_last: 1 },
  });
  return entry.plain;
}
