import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { reductions } from "../../../../onnx/kernels/reduce/reduction.ts";
import * as tf from "../../../../tf.ts";
import { float32 } from "../../../../tree.ts";
import { deviceWorks } from "../../../../../tests/devices.ts";
import {
  assertSameAsCpu,
  drawn,
  drawnBooleans,
  drawnIntegers,
  HAS_NON_FINITE,
  imageShapes,
  LAYOUTS,
  RUNS,
  seeds,
} from "../../against_cpu.ts";
import { runKernel, throughConvolution } from "../../run_kernel.ts";

const NUMERIC = ["Max", "Mean", "Min", "Prod", "Sum"];
const LOGICAL = ["All", "Any"];
const POSITIONS = ["ArgMax", "ArgMin"];

/** Every subset of four axes, including the empty one. Negative axes count from the end. */
const AXES = [
  ...Array.from({ length: 16 }, (_, bits) => [0, 1, 2, 3].filter((axis) => bits & 1 << axis)),
  [-1],
  [-2, -3],
];

/** The attributes of a reduction. The axes of Max have another name in tfjs. */
const over = (name: string, axis: readonly number[], keepDims: boolean) =>
  name === "Max" ? { reductionIndices: axis, keepDims } : { axis, keepDims };

Deno.test("the tests below cover every reduction", () => {
  const named = [...NUMERIC, ...LOGICAL, ...POSITIONS, "Softmax"];
  assertEquals(named.toSorted(), Object.keys(reductions).toSorted());
});

for (const layout of LAYOUTS) {
  const ignore = !deviceWorks("onnx");

  Deno.test({
    name: `reductions agree with the cpu device over every set of axes for ${layout} tensors`,
    ignore,
    fn: () =>
      fc.assert(
        fc.asyncProperty(imageShapes, seeds, async (shape, seed) => {
          // Numbers near 1, because products of many other numbers overflow.
          const near = drawn(seed, shape);
          const inputs = {
            x: drawn(seed, shape),
            near: { ...near, data: near.data.map((v) => 1 + v / 20) },
          };
          await assertSameAsCpu(layout, ({ x, near }) => {
            const blocked = {
              x: throughConvolution(x!),
              near: throughConvolution(near!),
            };
            const results: Record<string, tf.Tensor> = {};
            for (const axis of AXES) {
              for (const keepDims of [false, true]) {
                for (const name of NUMERIC) {
                  const which = name === "Prod" ? "near" : "x";
                  results[`${name} over [${axis}], keepDims ${keepDims}`] = runKernel(
                    name,
                    { x: blocked[which] },
                    over(name, axis, keepDims),
                  );
                }
              }
            }
            results["plain sum"] = runKernel("Sum", { x: x! }, { axis: [1, 2], keepDims: true });
            return results;
          }, inputs);
        }),
        RUNS,
      ),
  });

  Deno.test({
    name: `Softmax, ArgMax and ArgMin agree with the cpu device for ${layout} tensors`,
    ignore,
    fn: () =>
      fc.assert(
        fc.asyncProperty(imageShapes, seeds, async (shape, seed) => {
          await assertSameAsCpu(layout, ({ x }) => {
            const blocked = throughConvolution(x!);
            const results: Record<string, tf.Tensor> = {
              softmax: runKernel("Softmax", { logits: blocked }, { dim: 3 }),
              logSoftmax: tf.logSoftmax(blocked),
            };
            for (const name of POSITIONS) {
              for (const axis of [0, 1, 2, 3]) {
                results[`${name} along ${axis}`] = runKernel(name, { x: blocked }, { axis });
              }
            }
            return results;
          }, { x: drawn(seed, shape) });
        }),
        RUNS,
      ),
  });
}

Deno.test({
  name: "reductions agree with the cpu device for integers and booleans",
  ignore: !deviceWorks("onnx"),
  fn: () =>
    fc.assert(
      fc.asyncProperty(imageShapes, seeds, async (shape, seed) => {
        const inputs = {
          i: drawnIntegers(seed, shape, -3, 4),
          u: drawnBooleans(seed, shape),
        };
        await assertSameAsCpu("blocked", ({ i, u }) => {
          const results: Record<string, tf.Tensor> = {};
          for (const axis of [[], [0], [1, 2], [0, 1, 2, 3]]) {
            for (const keepDims of [false, true]) {
              for (const name of ["Max", "Mean", "Min", "Sum"]) {
                const key = `${name} over [${axis}], keepDims ${keepDims}`;
                results[key] = runKernel(name, { x: i! }, over(name, axis, keepDims));
              }
              for (const name of LOGICAL) {
                const key = `${name} over [${axis}], keepDims ${keepDims}`;
                results[key] = runKernel(name, { x: u! }, { axis, keepDims });
              }
            }
          }
          results["first of the largest"] = runKernel("ArgMax", { x: i! }, { axis: 3 });
          return results;
        }, inputs);
      }),
      RUNS,
    ),
});

Deno.test({
  name: "reductions agree with the cpu device for NaN and infinity",
  ignore: !deviceWorks("onnx") || !HAS_NON_FINITE,
  fn: async () => {
    const rows = [
      [1, NaN, 2, 3],
      [NaN, 1, 2, 3],
      [3, 1, 3, 1],
      [Infinity, 1, -Infinity, 2],
      [-Infinity, -Infinity, -Infinity, -Infinity],
      [1, 2, 3, NaN],
    ];
    await assertSameAsCpu("blocked", ({ x }) => {
      const results: Record<string, tf.Tensor> = {
        softmax: runKernel("Softmax", { logits: x! }, { dim: 1 }),
      };
      for (const name of NUMERIC) {
        results[name] = runKernel(name, { x: x! }, over(name, [1], false));
      }
      for (const name of POSITIONS) results[name] = runKernel(name, { x: x! }, { axis: [1] });
      return results;
    }, { x: float32(rows.flat(), [rows.length, 4]) });
  },
});
