/** The kernel of engine/fused_optimizer.ts. */
import type * as tf from "../../tf.ts";
import type { Kernel } from "../backend.ts";
import type { GraphParts, Node } from "../proto.ts";
import { ELEMENT_TYPE } from "../proto.ts";

/** The factors, in the order in which the arithmetic is given them. */
const FACTORS = [
  "meanFactor",
  "gradientFactor",
  "varianceFactor",
  "squareFactor",
  "epsilonFactor",
  "rateFactor",
  "decayFactor",
] as const;

/** The arithmetic by names of values: operator, operands, result. */
const ARITHMETIC: readonly (readonly [op: string, operands: readonly string[], result: string])[] =
  [
    ["Mul", ["mean", "meanFactor"], "oldMean"],
    ["Mul", ["gradient", "gradientFactor"], "added"],
    ["Add", ["oldMean", "added"], "newMean"],
    ["Mul", ["gradient", "gradient"], "squared"],
    ["Mul", ["squared", "squareFactor"], "scaled"],
    ["Mul", ["variance", "varianceFactor"], "oldVariance"],
    ["Add", ["oldVariance", "scaled"], "newVariance"],
    ["Sqrt", ["newVariance"], "root"],
    ["Add", ["root", "epsilonFactor"], "denominator"],
    ["Div", ["newMean", "denominator"], "ratio"],
    ["Mul", ["ratio", "rateFactor"], "update"],
    ["Mul", ["parameter", "decayFactor"], "decayed"],
    ["Sub", ["decayed", "update"], "newParameter"],
  ];

/** Starting the operations of a row takes about as long as the arithmetic on so many numbers. */
const SHORTEST_ROW = 8192;

/** What a row is given and gives, after the factors. */
const OPERANDS = ["parameter", "mean", "variance", "gradient"] as const;
const RESULTS = ["newParameter", "newMean", "newVariance"] as const;

function node(op: string, inputs: readonly string[], output: string): Node {
  return { op, domain: "", inputs, outputs: [output], attributes: {}, name: output };
}

/** The arithmetic on one row. A Scan hands the factors from row to row. */
function rowGraph(columns: number): GraphParts {
  const elementType = ELEMENT_TYPE.float32;
  const row = (name: string) => ({ name, elementType, shape: [columns] });
  const factor = (name: string) => ({ name, elementType, shape: [] });
  return {
    nodes: [
      ...FACTORS.map((name) => node("Identity", [name], `${name}Out`)),
      ...ARITHMETIC.map(([op, operands, result]) => node(op, operands, result)),
    ],
    initializers: [],
    inputs: [...FACTORS.map(factor), ...OPERANDS.map(row)],
    outputs: [...FACTORS.map((name) => factor(`${name}Out`)), ...RESULTS.map(row)],
  };
}

/** The kernel by the name that engine/fused_optimizer.ts asks for. */
export const fusedOptimizer: Record<string, Kernel> = {
  AdamUpdate: (inputs, _attrs, backend) => {
    const { shape } = inputs.parameter as tf.TensorInfo;
    const values = new Map<string, string>(
      [...FACTORS, ...OPERANDS].map((name) => [name, backend.plain(inputs[name])]),
    );
    if (shape.length === 2 && shape[0]! > 1 && shape[1]! >= SHORTEST_ROW) {
      const outputs = backend.graph.nodes("Scan", [...values.values()], {
        attributes: { num_scan_inputs: OPERANDS.length, body: { graph: rowGraph(shape[1]!) } },
        outputs: FACTORS.length + RESULTS.length,
      });
      return outputs.slice(FACTORS.length).map((value) => backend.tensor(value, shape));
    }
    for (const [op, operands, result] of ARITHMETIC) {
      values.set(result, backend.node(op, operands.map((name) => values.get(name)!)));
    }
    return RESULTS.map((name) => backend.tensor(values.get(name)!, shape));
  },
};
