/** A pass over a finished graph. */
import type { Node } from "./proto.ts";

/**
 * Lets convolutions add. A sum of a blocked convolution's result, which nobody else uses, and another
 * blocked image is what the convolution gives if that image is its fourth input: a pass over memory
 * less for each residual connection and each gradient that comes in two parts.
 *
 * @param nodes A graph's nodes in order.
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
      const free = conv?.op === "Conv" && conv.domain === "com.microsoft.nchwc" &&
        conv.inputs.length < 4 && !fused.has(conv);
      if (!free || uses.get(summand) !== 1) continue;
      fused.add(conv);
      const [x, filter, bias = ""] = conv.inputs;
      // It takes the sum's place in the order, where both of its operands are known.
      const sum = { ...conv, inputs: [x!, filter!, bias, other], outputs: node.outputs };
      producers.set(node.outputs[0]!, sum);
      return sum;
    }
    return node;
  });
  return result.filter((node) => !fused.has(node));
}
