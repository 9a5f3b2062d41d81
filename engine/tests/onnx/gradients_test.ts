import { assertEquals } from "@std/assert";
import fc from "fast-check";
import * as tf from "../../tf.ts";
import { type HostArray, sizeOf } from "../../tree.ts";
import { deviceWorks } from "../../../tests/devices.ts";
import { assertSameAsCpu, drawn, drawnApart, RUNS, seeds } from "./against_cpu.ts";

/** An operation, and the shapes of the inputs of its gradient. */
type Case = readonly [(...inputs: never[]) => tf.Tensor, ...number[][]];

const image = [2, 5, 6, 3];
const ids = (...values: number[]) => tf.tensor1d(values, "int32");

/** Functions of one tensor that are defined everywhere. */
const ANYWHERE: readonly ((x: tf.Tensor) => tf.Tensor)[] = [
  tf.abs,
  tf.asinh,
  tf.atan,
  tf.ceil,
  tf.cos,
  tf.cosh,
  tf.elu,
  tf.erf,
  tf.exp,
  tf.expm1,
  tf.floor,
  tf.leakyRelu,
  tf.logSigmoid,
  tf.logSoftmax,
  tf.neg,
  tf.relu,
  tf.relu6,
  tf.round,
  tf.selu,
  tf.sigmoid,
  tf.sign,
  tf.sin,
  tf.sinh,
  tf.softmax,
  tf.softplus,
  tf.square,
  tf.step,
  tf.tan,
  tf.tanh,
];

/** Functions of numbers above 1. */
const POSITIVE = [tf.acosh, tf.log, tf.log1p, tf.reciprocal, tf.rsqrt, tf.sqrt];

/** Functions of numbers between -1 and 1. */
const SMALL = [tf.acos, tf.asin, tf.atanh];

/** Functions of two tensors. The second one broadcasts and is positive. */
const BINARY = [tf.add, tf.atan2, tf.div, tf.mod, tf.mul, tf.pow, tf.sub];

/** Functions of two tensors of equal shapes. tfjs 4.22 does not sum their gradients when one broadcasts. */
const EVEN = [tf.maximum, tf.minimum, tf.squaredDifference];

const REDUCTIONS: Record<string, Case> = {
  sum: [(x: tf.Tensor) => tf.sum(x, [0, 2]), [2, 3, 4]],
  mean: [(x: tf.Tensor) => tf.mean(x, 1), [2, 3, 4]],
  max: [(x: tf.Tensor) => tf.max(x, [1, 2]), [2, 3, 4]],
  min: [(x: tf.Tensor) => tf.min(x), [2, 3, 4]],
  prod: [(x: tf.Tensor) => tf.prod(x, 1), [2, 3, 4]],
  logSumExp: [(x: tf.Tensor) => tf.logSumExp(x, 1), [2, 3]],
  cumsum: [(x: tf.Tensor) => tf.cumsum(x, 2, true, true), [2, 3, 4]],
  norm: [(x: tf.Tensor) => tf.norm(x), [2, 3]],
  variance: [(x: tf.Tensor) => tf.moments(x, [1]).variance, [2, 3]],
};

const SHAPES: Record<string, Case> = {
  concat: [(x: tf.Tensor, y: tf.Tensor) => tf.concat([x, y], 1), [2, 3], [2, 4]],
  stack: [(x: tf.Tensor, y: tf.Tensor) => tf.stack([x, y], 1), [2, 3], [2, 3]],
  unstack: [(x: tf.Tensor) => tf.unstack(x)[1]!, [2, 3]],
  split: [(x: tf.Tensor) => tf.split(x, [1, 2], 1)[1]!, [2, 3]],
  slice: [(x: tf.Tensor) => tf.slice(x, [0, 1], [2, 1]), [2, 3]],
  pad: [(x: tf.Tensor) => tf.pad(x, [[1, 0], [0, 2]]), [2, 3]],
  mirrorPad: [(x: tf.Tensor) => tf.mirrorPad(x, [[1, 0], [0, 2]], "reflect"), [3, 3]],
  reverse: [(x: tf.Tensor) => tf.reverse(x, 1), [2, 3]],
  transpose: [(x: tf.Tensor) => tf.transpose(x, [1, 2, 0]), [2, 3, 4]],
  tile: [(x: tf.Tensor) => tf.tile(x, [2, 1, 3, 1]), [1, 2, 3, 2]],
  broadcastTo: [(x: tf.Tensor) => tf.broadcastTo(x, [4, 2, 3]), [2, 1]],
  reshape: [(x: tf.Tensor) => tf.reshape(tf.expandDims(x, 1), [3, 2]), [2, 3]],
  spaceToBatchND: [
    (x: tf.Tensor) => tf.spaceToBatchND(x, [2, 2], [[0, 1], [1, 0]]),
    [2, 3, 3, 2],
  ],
  batchToSpaceND: [
    (x: tf.Tensor) => tf.batchToSpaceND(x, [2, 2], [[0, 1], [1, 0]]),
    [4, 3, 3, 2],
  ],
  gather: [(x: tf.Tensor) => tf.gather(x, ids(0, 2, 0), 0), [3, 2]],
  "gather along 1": [(x: tf.Tensor) => tf.gather(x, tf.reshape(ids(0, 2, 1, 0), [2, 2]), 1), [
    2,
    3,
    2,
  ]],
  unsortedSegmentSum: [(x: tf.Tensor) => tf.unsortedSegmentSum(x, ids(0, 2, 0), 3), [3, 2]],
  where: [
    (x: tf.Tensor, y: tf.Tensor) =>
      tf.where(tf.tensor2d([[1, 0, 1], [0, 1, 1]], [2, 3], "bool"), x, y),
    [2, 3],
    [2, 3],
  ],
  clipByValue: [(x: tf.Tensor) => tf.clipByValue(x, -0.5, 0.5), [2, 3]],
  prelu: [(x: tf.Tensor, alpha: tf.Tensor) => tf.prelu(x, alpha), [2, 3], [3]],
};

/** Operations that are added to the tensor itself, because their own gradients are zero. */
const beside = (fn: (x: tf.Tensor) => tf.Tensor) => (x: tf.Tensor) =>
  tf.add(tf.square(x), tf.sum(tf.cast(fn(x), "float32")));

const STEPS: Record<string, Case> = {
  addN: [(x: tf.Tensor, y: tf.Tensor) => tf.addN([x, y, x]), [2, 3], [2, 3]],
  argMax: [beside((x) => tf.argMax(x, 1)), [2, 3]],
  argMin: [beside((x) => tf.argMin(x, 1)), [2, 3]],
  floorDiv: [
    (x: tf.Tensor, y: tf.Tensor) => tf.floorDiv(x, tf.add(tf.abs(y), 1)),
    [2, 3],
    [2, 3],
  ],
  greaterEqual: [beside((x) => tf.greaterEqual(x, 0)), [2, 3]],
  isFinite: [beside(tf.isFinite), [2, 3]],
  isInf: [beside(tf.isInf), [2, 3]],
  isNaN: [beside(tf.isNaN), [2, 3]],
  onesLike: [beside(tf.onesLike), [2, 3]],
  zerosLike: [beside(tf.zerosLike), [2, 3]],
  oneHot: [beside((x) => tf.oneHot(tf.cast(x, "int32"), 3)), [4]],
};

const NETWORKS: Record<string, Case> = {
  matMul: [
    (x: tf.Tensor, y: tf.Tensor) => tf.matMul(x, y, true, true),
    [3, 2],
    [4, 3],
  ],
  "fused.matMul": [
    (a: tf.Tensor, b: tf.Tensor, bias: tf.Tensor) =>
      tf.fused.matMul({ a, b, bias, activation: "relu" }),
    [3, 2],
    [2, 4],
    [4],
  ],
  conv1d: [(x: tf.Tensor3D, w: tf.Tensor3D) => tf.conv1d(x, w, 2, "same"), [2, 7, 3], [3, 3, 4]],
  conv2d: [(x: tf.Tensor4D, w: tf.Tensor4D) => tf.conv2d(x, w, 2, "same"), image, [3, 3, 3, 4]],
  conv2dTranspose: [
    (x: tf.Tensor4D, w: tf.Tensor4D) => tf.conv2dTranspose(x, w, [2, 6, 8, 4], 2, "same"),
    [2, 3, 4, 3],
    [3, 3, 4, 3],
  ],
  "fused.conv2d": [
    (x: tf.Tensor4D, filter: tf.Tensor4D, bias: tf.Tensor) =>
      tf.fused.conv2d({ x, filter, bias, strides: 1, pad: "same", activation: "relu" }),
    image,
    [3, 3, 3, 2],
    [2],
  ],
  depthwiseConv2d: [
    (x: tf.Tensor4D, w: tf.Tensor4D) => tf.depthwiseConv2d(x, w, 2, "same"),
    image,
    [3, 3, 3, 2],
  ],
  "fused.depthwiseConv2d": [
    (x: tf.Tensor4D, filter: tf.Tensor4D, bias: tf.Tensor) =>
      tf.fused.depthwiseConv2d({
        x,
        filter,
        bias,
        strides: 1,
        pad: "same",
        activation: "relu6",
      }),
    image,
    [3, 3, 3, 2],
    [6],
  ],
  separableConv2d: [
    (x: tf.Tensor4D, w: tf.Tensor4D, v: tf.Tensor4D) => tf.separableConv2d(x, w, v, 1, "same"),
    image,
    [3, 3, 3, 2],
    [1, 1, 6, 4],
  ],
  conv3d: [
    (x: tf.Tensor5D, w: tf.Tensor5D) => tf.conv3d(x, w, 1, "same"),
    [2, 3, 4, 5, 2],
    [2, 2, 3, 2, 3],
  ],
  maxPool: [(x: tf.Tensor4D) => tf.maxPool(x, 3, 2, "same"), image],
  avgPool: [(x: tf.Tensor4D) => tf.avgPool(x, 3, 2, "same"), image],
  maxPool3d: [(x: tf.Tensor5D) => tf.maxPool3d(x, 2, 2, "same"), [2, 5, 6, 3, 2]],
  avgPool3d: [(x: tf.Tensor5D) => tf.avgPool3d(x, 2, 2, "same"), [2, 5, 6, 3, 2]],
  resizeBilinear: [(x: tf.Tensor4D) => tf.image.resizeBilinear(x, [7, 5]), [2, 3, 3, 2]],
  // One sample: see resize_test.ts.
  resizeNearestNeighbor: [
    (x: tf.Tensor4D) => tf.image.resizeNearestNeighbor(x, [7, 5]),
    [1, 3, 4, 2],
  ],
  localResponseNormalization: [
    (x: tf.Tensor4D) => tf.localResponseNormalization(x, 2, 1, 0.5, 0.7),
    [2, 3, 3, 7],
  ],
  batchNorm: [
    (x: tf.Tensor, mean: tf.Tensor1D, spread: tf.Tensor1D, offset: tf.Tensor1D, s: tf.Tensor1D) =>
      tf.batchNorm(x, mean, tf.add(tf.square(spread), 0.1) as tf.Tensor1D, offset, s),
    [2, 3, 3, 2],
    [2],
    [2],
    [2],
    [2],
  ],
};

/** The gradients of a weighted sum of the results with respect to all inputs. All weights differ. */
function gradients(fn: (...inputs: never[]) => tf.Tensor, inputs: tf.Tensor[]): tf.Tensor[] {
  const weighted = (...given: tf.Tensor[]) => {
    const y = fn(...given as never[]);
    const weights = tf.reshape(tf.sin(tf.range(0, y.size, 1, "float32")), y.shape);
    return tf.sum(tf.mul(y, weights)) as tf.Scalar;
  };
  return tf.grads(weighted)(inputs);
}

/** Asserts that gradients agree with the cpu device. */
async function assertSameGradients(
  cases: Record<string, readonly [(...inputs: never[]) => tf.Tensor, ...HostArray[]]>,
): Promise<void> {
  const named = Object.entries(cases);
  const inputs = Object.fromEntries(
    named.flatMap(([name, [, ...arrays]]) => arrays.map((array, i) => [`${name}/${i}`, array])),
  );
  await assertSameAsCpu(
    "blocked",
    (given) =>
      Object.fromEntries(named.flatMap(([name, [fn, ...arrays]]) => {
        const tensors = arrays.map((_, i) => given[`${name}/${i}`]!);
        return gradients(fn, tensors).map((gradient, i) => [`${name} by input ${i}`, gradient]);
      })),
    inputs,
    { atol: 1e-4, rtol: 1e-3 },
  );
}

const mapped = (array: HostArray, fn: (value: number) => number): HostArray => ({
  ...array,
  data: Float32Array.from(array.data, fn),
});

const shapesOfAnyRank = fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 5 });

Deno.test({
  name: "gradients of element-wise operations agree with the cpu device",
  ignore: !deviceWorks("onnx"),
  fn: () =>
    fc.assert(
      fc.asyncProperty(shapesOfAnyRank, seeds, async (shape, seed) => {
        const x = drawn(seed, shape);
        const positive = mapped(x, (value) => Math.abs(value) + 1.25);
        const inside = mapped(x, (value) => 0.9 * Math.tanh(value));
        const other = mapped(drawn(seed + 1, shape.slice(1)), (value) => Math.abs(value) + 0.7);
        const same = drawnApart(seed + 2, shape);
        const one = (fns: readonly ((x: tf.Tensor) => tf.Tensor)[], array: HostArray) =>
          fns.map((fn) => [fn.name, [fn, array]] as const);
        await assertSameGradients(Object.fromEntries([
          ...one(ANYWHERE, x),
          ...one(POSITIVE, positive),
          ...one(SMALL, inside),
          ...BINARY.map((fn) => [fn.name, [fn, fn === tf.pow ? positive : x, other]] as const),
          ...EVEN.map((fn) => [fn.name, [fn, x, same]] as const),
        ]));
      }),
      RUNS,
    ),
});

for (const [title, cases] of Object.entries({ REDUCTIONS, SHAPES, STEPS, NETWORKS })) {
  Deno.test({
    name: `gradients of ${title.toLowerCase()} agree with the cpu device`,
    ignore: !deviceWorks("onnx"),
    fn: () =>
      fc.assert(
        fc.asyncProperty(seeds, async (seed) => {
          await assertSameGradients(Object.fromEntries(
            Object.entries(cases).map(([name, [fn, ...shapes]]) => [
              name,
              [fn, ...shapes.map((shape, i) => drawnApart(seed + i + sizeOf(shape), shape))],
            ]),
          ));
        }),
        { ...RUNS, numRuns: 2 },
      ),
  });
}

/**
 * Not tested: two kernels that the device does not have, and two that no operation of tfjs 4.22 calls
 * (tf.broadcastTo is Tile, tf.logSoftmax states its own gradient).
 */
const NOT_TRIED = ["BroadcastTo", "ComplexAbs", "Dilation2D", "LogSoftmax"];

Deno.test({
  name: "the tests above cover every kernel for which tfjs has a gradient",
  fn: async () => {
    await tf.setBackend("cpu");
    const exported: unknown[] = Object.values(tf); // including the kernels' names
    const differentiable = exported.filter((name): name is string =>
      typeof name === "string" && tf.getGradient(name) !== undefined
    );
    const used = new Set<string>();
    for (const kernelName of differentiable) {
      const config = tf.getGradient(kernelName);
      tf.unregisterGradient(kernelName);
      tf.registerGradient({
        ...config,
        gradFunc: (...args) => {
          used.add(kernelName);
          return config.gradFunc(...args);
        },
      });
    }
    const tensor = (shape: readonly number[], i: number) =>
      tf.tensor(drawnApart(i, shape).data, [...shape]);
    const x = () => tf.tensor1d([0.5, 0.75]);
    const cases: [(...inputs: never[]) => tf.Tensor, tf.Tensor[]][] = [
      ...[...ANYWHERE, ...SMALL].map((fn) => [fn, [x()]] as [typeof fn, tf.Tensor[]]),
      ...POSITIVE.map((fn) => [fn, [tf.add(x(), 1)]] as [typeof fn, tf.Tensor[]]),
      ...[...BINARY, ...EVEN].map((fn) => [fn, [x(), x()]] as [typeof fn, tf.Tensor[]]),
      ...Object.values({ ...REDUCTIONS, ...SHAPES, ...STEPS, ...NETWORKS }).map(([fn, ...shapes]) =>
        [fn, shapes.map(tensor)] as [typeof fn, tf.Tensor[]]
      ),
    ];
    for (const [fn, inputs] of cases) tf.tidy(() => gradients(fn, inputs));
    assertEquals(differentiable.filter((name) => !used.has(name)).toSorted(), NOT_TRIED);
  },
});
