/** Telling whether two graphs are the same but for the numbers that are fed to them. */
import type { Initializer, Node, ValueInfo } from "./proto.ts";

const latin1 = new TextDecoder("latin1");

/**
 * Spells out a graph. Equal texts mean equal graphs: names of values, which depend on what else was
 * recorded, are replaced by positions, and constants are spelled out to the last bit.
 */
export function structureOf(graph: {
  readonly nodes: readonly Node[];
  readonly constants: readonly Initializer[];
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly string[];
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
