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

/** What follows where the parameter's moving average is kept as well. */
const AVERAGING: typeof ARITHMETIC = [
  ["Sub", ["newParameter", "average"], "difference"],
  ["Mul", ["difference", "averageFactor"], "moved"],
  ["Add", ["average", "moved"], "newAverage"],
];

/** Starting the operations of a row takes about as long as the arithmetic on so many numbers. */
const SHORTEST_ROW = 8192;

/** What is done to a row: what it is given, the factors first, and what it gives. */
interface Recipe {
  readonly factors: readonly string[];
  readonly operands: readonly string[];
  readonly arithmetic: typeof ARITHMETIC;
  readonly results: readonly string[];
}

const ADAM: Recipe = {
  factors: FACTORS,
  operands: ["parameter", "mean", "variance", "gradient"],
  arithmetic: ARITHMETIC,
  results: ["newParameter", "newMean", "newVariance"],
};

const ADAM_AND_AVERAGE: Recipe = {
  factors: [...ADAM.factors, "averageFactor"],
  operands: [...ADAM.operands, "average"],
  arithmetic: [...ADAM.arithmetic, ...AVERAGING],
  results: [...ADAM.results, "newAverage"],
};

function node(op: string, inputs: readonly string[], output: string): Node {
  return { op, domain: "", inputs, outputs: [output], attributes: {}, name: output };
}

/** The arithmetic on one row. A Scan hands the factors from row to row. */
function rowGraph({ factors, operands, arithmetic, results }: Recipe, columns: number): GraphParts {
  const elementType = ELEMENT_TYPE.float32;
  const row = (name: string) => ({ name, elementType, shape: [columns] });
  const factor = (name: string) => ({ name, elementType, shape: [] });
  return {
    nodes: [
      ...factors.map((name) => node("Identity", [name], `${name}Out`)),
      ...arithmetic.map(([op, values, result]) => node(op, values, result)),
    ],
    initializers: [],
    inputs: [...factors.map(factor), ...operands.map(row)],
    outputs: [...factors.map((name) => factor(`${name}Out`)), ...results.map(row)],
  };
}

/** The kernel by the name that engine/fused_optimizer.ts asks for. */
export const fusedOptimizer: Record<string, Kernel> = {
  AdamUpdate: (inputs, _attrs, backend) => {
    const recipe = inputs.average === undefined ? ADAM : ADAM_AND_AVERAGE;
    const { factors, operands, arithmetic, results } = recipe;
    const { shape } = inputs.parameter as tf.TensorInfo;
    const values = new Map<string, string>(
      [...factors, ...operands].map((name) => [name, backend.plain(inputs[name])]),
    );
    if (shape.length === 2 && shape[0]! > 1 && shape[1]! >= SHORTEST_ROW) {
      const outputs = backend.graph.nodes("Scan", [...values.values()], {
        attributes: {
          num_scan_inputs: operands.length,
          body: { graph: rowGraph(recipe, shape[1]!) },
        },
        outputs: factors.length + results.length,
      });
      return outputs.slice(factors.length).map((value) => backend.tensor(value, shape));
    }
    for (const [op, terms, result] of arithmetic) {
      values.set(result, backend.node(op, terms.map((name) => values.get(name)!)));
    }
    return results.map((name) => backend.tensor(values.get(name)!, shape));
  },
};
