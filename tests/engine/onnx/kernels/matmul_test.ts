import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { matmuls } from "../../../../engine/onnx/kernels/matmul.ts";
import type * as tf from "../../../../engine/tf.ts";
import { deviceWorks } from "../../../devices.ts";
import { assertSameAsCpu, drawn, RUNS, seeds } from "../against_cpu.ts";
import { runKernel } from "../run_kernel.ts";

/** Dimensions before the last two, of both operands; they broadcast. */
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

Deno.test("the test below names every matrix product", () => {
  assertEquals(Object.keys(matmuls), ["BatchMatMul"]);
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
