import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { arrangements } from "../../../../onnx/kernels/shape/arrangement.ts";
import type * as tf from "../../../../tf.ts";
import { type DType, int32 } from "../../../../tree.ts";
import { deviceWorks } from "../../../../../tests/devices.ts";
import { assertSameAsCpu, drawnAs, imageShapes, RUNS, seeds } from "../../against_cpu.ts";
import { runKernel, throughConvolution } from "../../run_kernel.ts";

type Results = Record<string, tf.Tensor>;

/** A call of every kernel, with x of [N, H, W, C]. */
const MOVES: Record<string, (x: tf.Tensor) => Results> = {
  Reverse: (x) =>
    Object.fromEntries(
      [[], [0], [1, 2], [-1], [0, 1, 2, 3]].map((
        dims,
      ) => [`${dims}`, runKernel("Reverse", { x }, { dims })]),
    ),
  FlipLeftRight: (image) => ({ flipped: runKernel("FlipLeftRight", { image }) }),
  PadV2: (x) => {
    const pad = (paddings: number[][], constantValue: number) =>
      runKernel("PadV2", { x }, { paddings, constantValue });
    return {
      zeros: pad([[0, 0], [1, 2], [2, 1], [0, 0]], 0),
      ones: pad([[1, 0], [0, 0], [0, 1], [3, 4]], 1),
      nothing: pad([[0, 0], [0, 0], [0, 0], [0, 0]], 0),
    };
  },
  MirrorPad: (x) => {
    const pad = (mode: string, least: number) => {
      const paddings = x.shape.map((size, i) => [Math.min(i, size - least), size - least]);
      return runKernel("MirrorPad", { x }, { paddings, mode });
    };
    return { reflect: pad("reflect", 1), symmetric: pad("symmetric", 0) };
  },
  StridedSlice: (x) => {
    const slice = (begin: number[], end: number[], strides: number[], masks = {}) =>
      runKernel("StridedSlice", { x }, {
        begin,
        end,
        strides,
        beginMask: 0,
        endMask: 0,
        ellipsisMask: 0,
        newAxisMask: 0,
        shrinkAxisMask: 0,
        ...masks,
      });
    return {
      all: slice([0, 0, 0, 0], x.shape, [1, 1, 1, 1]),
      "every other": slice([0, 0, 0, 0], x.shape, [1, 2, 2, 2]),
      backwards: slice([0, -1, -1, -1], [9, -9, -9, -99], [1, -1, -2, -3]),
      masked: slice([1, 1, 1, 0], [0, 0, 0, 1], [1, 1, 1, 1], { beginMask: 7, endMask: 7 }),
      "first rows": slice([0, 0], [1, 1], [1, 1], { endMask: 1 }),
      "one channel": slice([0, 0], [1, 1], [1, 1], { ellipsisMask: 1, shrinkAxisMask: 2 }),
      "new axis": slice([0, 0, 0], [1, 0, 1], [1, 1, 1], { newAxisMask: 2, shrinkAxisMask: 4 }),
    };
  },
  SpaceToBatchND: (x) => {
    const [, h, w] = x.shape as [number, number, number, number];
    const fill = (size: number, block: number) => [1, (block - (size + 1) % block) % block];
    return {
      squares: runKernel("SpaceToBatchND", { x }, {
        blockShape: [2, 3],
        paddings: [fill(h, 2), fill(w, 3)],
      }),
      rows: runKernel("SpaceToBatchND", { x }, { blockShape: [2], paddings: [fill(h, 2)] }),
    };
  },
  BatchToSpaceND: (x) => {
    const samples = runKernel("Concat", Array(6).fill(x), { axis: 0 });
    return {
      squares: runKernel("BatchToSpaceND", { x: samples }, {
        blockShape: [2, 3],
        crops: [[1, 0], [1, 1]],
      }),
      rows: runKernel("BatchToSpaceND", { x: samples }, { blockShape: [3], crops: [[0, 1]] }),
    };
  },
  DepthToSpace: (x) => {
    const deep = runKernel("Concat", Array(4).fill(x), { axis: 3 });
    return { wide: runKernel("DepthToSpace", { x: deep }, { blockSize: 2, dataFormat: "NHWC" }) };
  },
  RotateWithOffset: (image) => {
    const turn = (attributes: Record<string, unknown>) =>
      runKernel("RotateWithOffset", { image }, attributes);
    return {
      "about the centre": turn({ radians: 0.7, fillValue: 0, center: 0.5 }),
      "about a corner": turn({ radians: -2, fillValue: 1, center: [0.2, 0.7] }),
    };
  },
};

Deno.test("the tests below cover every kernel that rearranges elements", () => {
  assertEquals(
    [...Object.keys(MOVES), "BroadcastArgs"].toSorted(),
    Object.keys(arrangements).toSorted(),
  );
});

const allMoves = (x: tf.Tensor): Results =>
  Object.fromEntries(
    Object.entries(MOVES).flatMap(([kernel, move]) =>
      Object.entries(move(x)).map(([name, tensor]) => [`${kernel} ${name}`, tensor])
    ),
  );

for (const dtype of ["float32", "int32", "bool"] satisfies DType[]) {
  Deno.test({
    name: `kernels that rearrange elements agree with the cpu device for ${dtype} tensors`,
    ignore: !deviceWorks("onnx"),
    fn: () =>
      fc.assert(
        fc.asyncProperty(imageShapes, seeds, async (shape, seed) => {
          await assertSameAsCpu(
            "blocked",
            ({ x }) => allMoves(dtype === "float32" ? throughConvolution(x!) : x!),
            { x: drawnAs(dtype, seed, shape) },
            { atol: 0, rtol: 0 },
          );
        }),
        RUNS,
      ),
  });
}

Deno.test({
  name: "BroadcastArgs agrees with the cpu device when ranks differ",
  ignore: !deviceWorks("onnx"),
  fn: async () => {
    await assertSameAsCpu("blocked", ({ a, b }) => ({
      ab: runKernel("BroadcastArgs", { s0: a!, s1: b! }),
      ba: runKernel("BroadcastArgs", { s0: b!, s1: a! }),
    }), { a: int32([3, 1, 4]), b: int32([5, 1]) });
  },
});
