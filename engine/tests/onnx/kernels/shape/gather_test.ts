import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { gathers } from "../../../../onnx/kernels/shape/gather.ts";
import * as tf from "../../../../tf.ts";
import { type DType, float32 } from "../../../../tree.ts";
import { deviceWorks } from "../../../../../tests/devices.ts";
import {
  assertSameAsCpu,
  drawn,
  drawnAs,
  drawnIntegers,
  imageShapes,
  RUNS,
  seeds,
} from "../../against_cpu.ts";
import { runKernel, runKernelForMany, throughConvolution } from "../../run_kernel.ts";

const KERNELS = ["GatherNd", "GatherV2", "OneHot", "SearchSorted", "TopK"];

Deno.test("the tests below cover every kernel that selects elements", () => {
  assertEquals(KERNELS, Object.keys(gathers).toSorted());
});

for (const dtype of ["float32", "int32", "bool"] satisfies DType[]) {
  Deno.test({
    name: `lookups agree with the cpu device for ${dtype} tensors`,
    ignore: !deviceWorks("onnx"),
    fn: () =>
      fc.assert(
        fc.asyncProperty(imageShapes, seeds, async (shape, seed) => {
          const [n, h, w, c] = shape;
          const inputs = {
            x: drawnAs(dtype, seed, shape),
            samples: drawnIntegers(seed, [5], 0, n),
            rows: drawnIntegers(seed, [2, 3], 0, h),
            columns: drawnIntegers(seed, [n, 4], 0, w),
            grid: drawnIntegers(seed, [n, h, 2], 0, Math.min(w, c)),
            places: drawnIntegers(seed, [3, 2, 2], 0, Math.min(n, h)),
          };
          await assertSameAsCpu(
            "blocked",
            ({ x, samples, rows, columns, grid, places }) => {
              const pick = (indices: tf.Tensor, axis: number, batchDims = 0) =>
                runKernel("GatherV2", { x: x!, indices }, { axis, batchDims });
              const [values, indices] = runKernelForMany("TopK", { x: x! }, {
                k: Math.ceil(c / 2),
                sorted: true,
              });
              return {
                samples: pick(samples!, 0),
                rows: pick(rows!, 1),
                channels: pick(grid!, 3, 2),
                columns: pick(columns!, 2, 1),
                nd: runKernel("GatherNd", { params: x!, indices: places! }),
                values: values!,
                indices: indices!,
              };
            },
            inputs,
            { atol: 0, rtol: 0 },
          );
        }),
        RUNS,
      ),
  });
}

Deno.test({
  name: "lookups agree with the cpu device after a convolution",
  ignore: !deviceWorks("onnx"),
  fn: () =>
    fc.assert(
      fc.asyncProperty(imageShapes, seeds, async (shape, seed) => {
        const inputs = { x: drawn(seed, shape), rows: drawnIntegers(seed, [2, 3], 0, shape[1]) };
        await assertSameAsCpu("blocked", ({ x, rows }) => ({
          rows: runKernel("GatherV2", { x: throughConvolution(x!), indices: rows! }, {
            axis: 1,
            batchDims: 0,
          }),
        }), inputs);
      }),
      RUNS,
    ),
});

Deno.test({
  name: "OneHot of a scalar, and lookups with negative batch dimensions, agree with the cpu device",
  ignore: !deviceWorks("onnx"),
  fn: () =>
    assertSameAsCpu("blocked", ({ x, indices, one }) => ({
      hot: tf.oneHot(one as tf.Tensor1D, 4),
      picked: tf.gather(x!, indices!, 1, -1),
    }), {
      x: drawn(1, [2, 5, 3]),
      indices: drawnIntegers(2, [2, 4], 0, 5),
      one: drawnIntegers(3, [], 0, 4),
    }),
});

Deno.test({
  name: "OneHot agrees with the cpu device when indices are out of range",
  ignore: !deviceWorks("onnx"),
  fn: () =>
    fc.assert(
      fc.asyncProperty(imageShapes, seeds, async (shape, seed) => {
        await assertSameAsCpu("blocked", ({ indices }) => {
          const oneHot = (dtype: string, onValue = 1, offValue = 0) =>
            runKernel("OneHot", { indices: indices! }, { depth: 3, onValue, offValue, dtype });
          return {
            floats: oneHot("float32"),
            integers: oneHot("int32", 5, -1),
            booleans: oneHot("bool"),
          };
        }, { indices: drawnIntegers(seed, shape, -9, 10) });
      }),
      RUNS,
    ),
});

Deno.test({
  name: "SearchSorted agrees with the cpu device when numbers occur and when they do not",
  ignore: !deviceWorks("onnx"),
  fn: async () => {
    const inputs = {
      sortedSequence: float32([1, 2, 2, 3, 0, 5, 7, 9], [2, 4]),
      values: float32([0, 2, 9, 5, 7, 1], [2, 3]),
    };
    await assertSameAsCpu(
      "blocked",
      ({ sortedSequence, values }) =>
        Object.fromEntries(["left", "right"].map((side) => [
          side,
          runKernel("SearchSorted", { sortedSequence: sortedSequence!, values: values! }, { side }),
        ])),
      inputs,
    );
  },
});
