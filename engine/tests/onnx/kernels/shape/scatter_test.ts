import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { openDevice } from "../../../../device.ts";
import { scatters } from "../../../../onnx/kernels/shape/scatter.ts";
import type * as tf from "../../../../tf.ts";
import { type DType, int32 } from "../../../../tree.ts";
import { deviceWorks } from "../../../../../tests/devices.ts";
import { assertSameAsCpu, drawn, drawnAs, drawnIntegers, RUNS, seeds } from "../../against_cpu.ts";
import { runKernel } from "../../run_kernel.ts";

const KERNELS = [
  "Bincount",
  "DenseBincount",
  "ScatterNd",
  "SparseToDense",
  "TensorScatterUpdate",
  "UnsortedSegmentSum",
];

const sizes = fc.tuple(
  fc.integer({ min: 1, max: 6 }),
  fc.integer({ min: 1, max: 5 }),
  fc.integer({ min: 1, max: 20 }),
);

Deno.test("the tests below cover every kernel that scatters elements", () => {
  assertEquals(KERNELS, Object.keys(scatters).toSorted());
});

for (const dtype of ["float32", "int32"] satisfies DType[]) {
  Deno.test({
    name: `scattered sums agree with the cpu device when indices repeat, for ${dtype} tensors`,
    ignore: !deviceWorks("onnx"),
    fn: () =>
      fc.assert(
        fc.asyncProperty(sizes, seeds, async ([rows, columns, count], seed) => {
          const inputs = {
            indices: drawnIntegers(seed, [count, 2], 0, Math.min(rows, columns)),
            updates: drawnAs(dtype, seed, [count, 3]),
            segments: drawnIntegers(seed, [count], -1, rows + 1),
            bins: drawnIntegers(seed, [2, count], 0, rows + 2),
            weights: drawnAs(dtype, seed + 1, [2, count]),
            nothing: drawnAs(dtype, seed, [0]),
          };
          await assertSameAsCpu("blocked", (given) => {
            const { indices, updates: x, segments: segmentIds, bins, weights, nothing } = given;
            const sum = (numSegments: number) =>
              runKernel("UnsortedSegmentSum", { x: x!, segmentIds: segmentIds! }, { numSegments });
            const count = (weights: typeof bins, binaryOutput: boolean) =>
              runKernel("DenseBincount", { x: bins!, weights: weights! }, {
                size: rows,
                binaryOutput,
              });
            return {
              scattered: runKernel("ScatterNd", { indices: indices!, updates: x! }, {
                shape: [rows, columns, 3],
              }),
              "few segments": sum(rows),
              "many segments": sum(300),
              weighted: count(weights, false),
              counted: count(nothing, false),
              found: count(weights, true),
              row: runKernel("Bincount", {
                x: runKernel("Reshape", { x: bins! }, { shape: [-1] }),
                weights: runKernel("Reshape", { x: weights! }, { shape: [-1] }),
              }, { size: rows }),
            };
          }, inputs);
        }),
        RUNS,
      ),
  });
}

for (const dtype of ["float32", "int32", "bool"] satisfies DType[]) {
  Deno.test({
    name: `scattered elements agree with the cpu device for ${dtype} tensors`,
    ignore: !deviceWorks("onnx"),
    fn: async () => {
      const inputs = {
        tensor: drawnAs(dtype, 1, [4, 2]),
        indices: int32([3, 0], [2, 1]),
        updates: drawnAs(dtype, 2, [2, 2]),
        pairs: int32([3, 0, 1, 2], [2, 2]),
        places: int32([3, 0]),
        values: drawnAs(dtype, 3, [2]),
        single: drawnAs(dtype, 4, []),
        other: drawnAs(dtype, 5, []),
      };
      await assertSameAsCpu(
        "blocked",
        (given) => {
          const { tensor, indices, updates, pairs, places, values, single, other } = given;
          const dense = (
            sparseIndices: typeof pairs,
            sparseValues: typeof pairs,
            defaultValue: typeof pairs,
            outputShape: number[],
          ) =>
            runKernel("SparseToDense", {
              sparseIndices: sparseIndices!,
              sparseValues: sparseValues!,
              defaultValue: defaultValue!,
            }, { outputShape });
          return {
            updated: runKernel("TensorScatterUpdate", {
              tensor: tensor!,
              indices: indices!,
              updates: updates!,
            }),
            matrix: dense(pairs, values, single, [4, 3]),
            "matrix of one value": dense(pairs, single, other, [4, 3]),
            vector: dense(places, values, single, [5]),
          };
        },
        inputs,
        { atol: 0, rtol: 0 },
      );
    },
  });
}

Deno.test({
  name: "scattered sums have the same bits in every run",
  ignore: !deviceWorks("onnx"),
  fn: async () => {
    const inputs = {
      x: drawn(1, [2000, 8]),
      // All rows are in one segment. In another order the sum would round differently.
      segmentIds: int32(new Int32Array(2000)),
    };
    const sum = ({ x, segmentIds }: Record<string, tf.Tensor>) => ({
      sum: runKernel("UnsortedSegmentSum", { x: x!, segmentIds: segmentIds! }, {
        numSegments: 300,
      }),
    });
    const device = await openDevice("onnx", { threads: 2 });
    const compiled = device.compile<typeof inputs, { sum: typeof inputs.x }>(sum);
    const [first, second] = [await compiled(inputs), await compiled(inputs)];
    await compiled.dispose();
    assertEquals(first.sum.data, second.sum.data);
  },
});

Deno.test({
  name: "Bincount of an image agrees with the cpu device, with and without weights",
  ignore: !deviceWorks("onnx"),
  fn: () =>
    assertSameAsCpu("blocked", ({ x, weights, none }) => ({
      counts: runKernel("Bincount", { x: x!, weights: none! }, { size: 5 }),
      sums: runKernel("Bincount", { x: x!, weights: weights! }, { size: 5 }),
    }), {
      x: drawnIntegers(1, [3, 4, 1], 0, 5),
      weights: drawn(2, [3, 4, 1]),
      none: drawn(3, [0]),
    }),
});
