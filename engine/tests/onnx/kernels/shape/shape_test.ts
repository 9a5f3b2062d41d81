import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { shapes } from "../../../../onnx/kernels/shape/shape.ts";
import type * as tf from "../../../../tf.ts";
import type { DType } from "../../../../tree.ts";
import { deviceWorks } from "../../../../../tests/devices.ts";
import {
  assertSameAsCpu,
  drawn,
  drawnAs,
  imageShapes,
  LAYOUTS,
  RUNS,
  seeds,
} from "../../against_cpu.ts";
import { runKernel, runKernelForMany, throughConvolution } from "../../run_kernel.ts";

type Results = Record<string, tf.Tensor>;

/** Gives several results names. */
const named = (name: string, tensors: readonly tf.Tensor[]): Results =>
  Object.fromEntries(tensors.map((tensor, i) => [`${name} ${i}`, tensor]));

/** Calls that support every element type, with x and y of [N, H, W, C]. */
const MOVES: Record<string, (x: tf.Tensor, y: tf.Tensor) => Results> = {
  Reshape: (x) => ({
    flat: runKernel("Reshape", { x }, { shape: [-1] }),
    "as it was": runKernel("Reshape", { x }, { shape: x.shape }),
    rows: runKernel("Reshape", { x }, { shape: [x.shape[0], -1, x.shape[3]] }),
  }),
  ExpandDims: (input) =>
    named("at", [0, 2, 4, -1, -3].map((dim) => runKernel("ExpandDims", { input }, { dim }))),
  Transpose: (x) =>
    named(
      "order",
      [[0, 1, 2, 3], [0, 3, 1, 2], [3, 2, 1, 0], [1, 0, 2, 3]].map((perm) =>
        runKernel("Transpose", { x }, { perm })
      ),
    ),
  Concat: (x, y) => ({
    ...named("axis", [0, 1, 2, 3].map((axis) => runKernel("Concat", [x, y, x], { axis }))),
    "different sizes": runKernel("Concat", [
      x,
      runKernel("Slice", { x: y }, { begin: [0, 0, 0, 0], size: [-1, -1, -1, 1] }),
    ], { axis: 3 }),
    one: runKernel("Concat", [x], { axis: 1 }),
  }),
  Pack: (x, y) => named("axis", [0, 2, 4].map((axis) => runKernel("Pack", [x, y, x], { axis }))),
  Unpack: (value) => ({
    ...named("rows", runKernelForMany("Unpack", { value }, { axis: 1 })),
    ...named("channels", runKernelForMany("Unpack", { value }, { axis: 3 })),
  }),
  SplitV: (x) => {
    const [, , , c] = x.shape as [number, number, number, number];
    return {
      ...named("parts", runKernelForMany("SplitV", { x }, { numOrSizeSplits: c, axis: 3 })),
      ...named(
        "sizes",
        runKernelForMany("SplitV", { x }, { numOrSizeSplits: [1, -1], axis: 3 })
          .filter(({ size }) => size > 0),
      ),
    };
  },
  Slice: (x) => {
    const [n, h, w, c] = x.shape as [number, number, number, number];
    const from = [n - 1, h >> 1, w >> 1, c >> 1];
    const slice = (begin: number[], size: number[]) => runKernel("Slice", { x }, { begin, size });
    return {
      all: slice([0, 0, 0, 0], [-1, -1, -1, -1]),
      "the end": slice(from, [-1, -1, -1, -1]),
      "one element": slice(from, [1, 1, 1, 1]),
      "half the channels": slice([0, 0, 0, 0], [n, h, w, Math.ceil(c / 2)]),
      "the other half": slice([0, 0, 0, c >> 1], [n, h, w, c - (c >> 1)]),
      "half the samples": slice([0, 0, 0, 0], [Math.ceil(n / 2), h, w, c]),
    };
  },
  Tile: (x) =>
    named(
      "times",
      [[1, 1, 1, 1], [2, 1, 3, 1], [1, 1, 1, 2]].map((reps) => runKernel("Tile", { x }, { reps })),
    ),
};

Deno.test("the tests below cover every kernel that slices, concatenates and repeats", () => {
  assertEquals(Object.keys(MOVES).toSorted(), Object.keys(shapes).toSorted());
});

/** The results of all calls, by name. */
function allMoves(x: tf.Tensor, y: tf.Tensor): Results {
  return Object.fromEntries(
    Object.entries(MOVES).flatMap(([kernel, move]) =>
      Object.entries(move(x, y)).map(([name, tensor]) => [`${kernel} ${name}`, tensor])
    ),
  );
}

const ignore = !deviceWorks("onnx");

for (const layout of LAYOUTS) {
  Deno.test({
    name: `kernels that move elements agree with the cpu device for ${layout} tensors`,
    ignore,
    fn: () =>
      fc.assert(
        fc.asyncProperty(imageShapes, seeds, async (shape, seed) => {
          await assertSameAsCpu(
            layout,
            ({ x, y }) => allMoves(throughConvolution(x!), throughConvolution(y!)),
            { x: drawn(seed, shape), y: drawn(seed + 1, shape) },
            { atol: 0, rtol: 0 },
          );
        }),
        RUNS,
      ),
  });
}

for (const dtype of ["float32", "int32", "bool"] satisfies DType[]) {
  Deno.test({
    name: `kernels that move elements agree with the cpu device for ${dtype} tensors`,
    ignore,
    fn: () =>
      fc.assert(
        fc.asyncProperty(imageShapes, seeds, async (shape, seed) => {
          const inputs = { x: drawnAs(dtype, seed, shape), y: drawnAs(dtype, seed + 1, shape) };
          const exactly = { atol: 0, rtol: 0 };
          await assertSameAsCpu("blocked", ({ x, y }) => allMoves(x!, y!), inputs, exactly);
        }),
        RUNS,
      ),
  });
}
