import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { matmuls } from "../../../../onnx/kernels/reduce/matmul.ts";
import type * as tf from "../../../../tf.ts";
import { deviceWorks } from "../../../../../tests/devices.ts";
import { assertSameAsCpu, drawn, drawnIntegers, RUNS, seeds } from "../../against_cpu.ts";
import { runKernel } from "../../run_kernel.ts";

/** The batch dimensions of both operands, which broadcast. */
const BATCHES: readonly (readonly [number[], number[]])[] = [
  [[], []],
  [[2], [2]],
  [[2], [1]],
  [[1], [3]],
  [[2, 3], [2, 3]],
  [[2, 3], [1, 1]],
];

const sizes = fc.tuple(
  fc.integer({ min: 1, max: 9 }),
  fc.integer({ min: 1, max: 20 }),
  fc.integer({ min: 1, max: 9 }),
);

Deno.test("the tests below cover every matrix product", () => {
  assertEquals(Object.keys(matmuls).toSorted(), ["BatchMatMul", "Einsum", "_FusedMatMul"]);
});

Deno.test({
  name: "BatchMatMul agrees with the cpu device when operands are transposed or broadcast",
  ignore: !deviceWorks("onnx"),
  fn: () =>
    fc.assert(
      fc.asyncProperty(sizes, seeds, async ([m, k, n], seed) => {
        const inputs = Object.fromEntries(BATCHES.flatMap(([a, b], i) => [
          [`${i} a`, drawn(seed + i, [...a, m, k])],
          [`${i} a transposed`, drawn(seed + i, [...a, k, m])],
          [`${i} b`, drawn(seed + 50 + i, [...b, k, n])],
          [`${i} b transposed`, drawn(seed + 50 + i, [...b, n, k])],
        ]));
        await assertSameAsCpu("blocked", (given) => {
          const results: Record<string, tf.Tensor> = {};
          for (const i of BATCHES.keys()) {
            for (const [transposeA, transposeB] of [[false, false], [true, false], [false, true]]) {
              const a = given[`${i} a${transposeA ? " transposed" : ""}`]!;
              const b = given[`${i} b${transposeB ? " transposed" : ""}`]!;
              const name = `${i} ${transposeA} ${transposeB}`;
              results[name] = runKernel("BatchMatMul", { a, b }, { transposeA, transposeB });
            }
          }
          return results;
        }, inputs);
      }),
      RUNS,
    ),
});

Deno.test({
  name: "products of integers, and with bias and activation, agree with the cpu device",
  ignore: !deviceWorks("onnx"),
  fn: () =>
    fc.assert(
      fc.asyncProperty(sizes, seeds, async ([m, k, n], seed) => {
        const inputs = {
          a: drawn(seed, [1, k, m]),
          b: drawn(seed + 1, [1, n, k]),
          bias: drawn(seed + 2, [n]),
          i: drawnIntegers(seed, [2, k, m], -9, 10),
          j: drawnIntegers(seed + 1, [2, n, k], -9, 10),
        };
        const transposed = { transposeA: true, transposeB: true };
        await assertSameAsCpu("blocked", ({ a, b, bias, i, j }) => {
          const results: Record<string, tf.Tensor> = {
            integers: runKernel("BatchMatMul", { a: i!, b: j! }, transposed),
          };
          for (const activation of ["linear", "relu", "elu", "prelu", "leakyrelu"]) {
            results[activation] = runKernel("_FusedMatMul", {
              a: a!,
              b: b!,
              bias: bias!,
              ...(activation === "prelu" ? { preluActivationWeights: bias! } : {}),
            }, { ...transposed, activation, leakyreluAlpha: 0.3 });
          }
          return results;
        }, inputs);
      }),
      RUNS,
    ),
});

/** Equations and the shapes of their operands. tfjs 4.22 is wrong for sums over all of two axes ("ij,jk->"). */
const EQUATIONS: readonly (readonly [string, ...number[][]])[] = [
  ["ij, jk -> ik", [2, 3], [3, 4]],
  ["bij,bjk->bik", [2, 2, 3], [2, 3, 4]],
  ["bhid,bhjd->bhij", [2, 2, 3, 2], [2, 2, 4, 2]],
  ["ij->ji", [2, 3]],
  ["ij->i", [2, 3]],
  ["i,j->ij", [2], [3]],
  ["bi,bi->b", [2, 3], [2, 3]],
];

Deno.test({
  name: "Einsum agrees with the cpu device",
  ignore: !deviceWorks("onnx"),
  fn: async () => {
    for (const [equation, ...shapes] of EQUATIONS) {
      const inputs = Object.fromEntries(shapes.map((shape, i) => [`x${i}`, drawn(i, shape)]));
      await assertSameAsCpu(
        "blocked",
        (given) => ({ [equation]: runKernel("Einsum", Object.values(given), { equation }) }),
        inputs,
      );
    }
  },
});
