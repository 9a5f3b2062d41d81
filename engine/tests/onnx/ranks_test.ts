import * as tf from "../../tf.ts";
import { deviceWorks } from "../../../tests/devices.ts";
import { assertSameAsCpu, drawn } from "./against_cpu.ts";
import { runKernel } from "./run_kernel.ts";

type Results = Record<string, tf.Tensor>;

/** Functions of a tensor, of one that broadcasts to it, and of one with all dimensions 1. */
function elementwise(x: tf.Tensor, y: tf.Tensor, one: tf.Tensor): Results {
  return {
    add: tf.add(x, y),
    multiply: tf.mul(one, x),
    compare: tf.greater(x, y),
    relu: tf.relu(x),
    elu: tf.elu(x),
    cast: tf.cast(x, "int32"),
    power: tf.pow(tf.abs(x), y),
    floorDiv: tf.floorDiv(x, y),
    modulo: tf.mod(x, y),
    angle: tf.atan2(x, y),
    select: tf.where(tf.greater(x, 0), x, tf.neg(x)),
    prelu: tf.prelu(x, one),
    clip: tf.clipByValue(x, 0, 1),
  };
}

const reductions = (x: tf.Tensor): Results => ({
  sum: tf.sum(x),
  mean: tf.mean(x),
  max: tf.max(x),
  min: tf.min(x),
  product: tf.prod(x),
});

/** Functions of a tensor with at least one dimension. */
function shapes(x: tf.Tensor): Results {
  const each = <T>(fn: (dimension: number, axis: number) => T) => x.shape.map(fn);
  const last = x.shape.length - 1;
  return {
    tile: runKernel("Tile", { x }, { reps: each((_, axis) => axis % 3 + 1) }),
    expanded: tf.expandDims(x, 0),
    transposed: runKernel("Transpose", { x }, { perm: each((_, axis) => last - axis) }),
    joined: runKernel("Concat", [x, x], { axis: last }),
    stacked: runKernel("Pack", [x, x], { axis: 0 }),
    padded: runKernel("PadV2", { x }, {
      paddings: each((_, axis) => [axis % 2, 1]),
      constantValue: 2,
    }),
    reversed: runKernel("Reverse", { x }, { dims: [last] }),
    "running sum": tf.cumsum(x, last),
    softmax: tf.softmax(x),
    whole: runKernel("Slice", { x }, { begin: each(() => 0), size: each((d) => d) }),
    zeros: tf.zerosLike(x),
    "sum of rows": tf.sum(x, -1, true),
  };
}

for (let rank = 0; rank <= 6; rank++) {
  Deno.test({
    name: `kernels agree with the cpu device for tensors of rank ${rank}`,
    ignore: !deviceWorks("onnx"),
    fn: async () => {
      const shape = [2, 1, 3, 1, 2, 2].slice(0, rank);
      const inputs = {
        x: drawn(1, shape),
        y: drawn(2, shape.slice(1)),
        one: drawn(3, shape.map(() => 1)),
      };
      await assertSameAsCpu("blocked", ({ x, y, one }) => ({
        ...elementwise(x!, y!, one!),
        ...reductions(x!),
        ...(rank === 0 ? {} : shapes(x!)),
      }), inputs);
    },
  });
}

for (const shape of [[0], [0, 3], [2, 0], [2, 0, 3], [0, 2, 3, 4], [2, 3, 4, 0]]) {
  Deno.test({
    name: `kernels agree with the cpu device for empty tensors [${shape}]`,
    ignore: !deviceWorks("onnx"),
    fn: async () => {
      await assertSameAsCpu("blocked", ({ x, one }) => ({
        ...elementwise(x!, x!, one!),
        ...reductions(x!),
        ...shapes(x!),
        cut: tf.slice(
          runKernel("PadV2", { x: x! }, { paddings: shape.map(() => [1, 1]), constantValue: 0 }),
          shape.map(() => 1),
          shape,
        ),
      }), { x: drawn(1, shape), one: drawn(2, shape.map(() => 1)) });
    },
  });
}

Deno.test({
  name: "products, convolutions and lookups of empty tensors agree with the cpu device",
  ignore: !deviceWorks("onnx"),
  fn: async () => {
    const inputs = {
      wide: drawn(1, [2, 0]),
      tall: drawn(2, [0, 3]),
      images: drawn(3, [0, 3, 3, 16]),
      filter: drawn(4, [1, 1, 16, 16]),
      rows: drawn(5, [3, 2]),
    };
    await assertSameAsCpu("blocked", ({ wide, tall, images, filter, rows }) => ({
      zeros: tf.matMul(wide!, tall!),
      transposed: tf.matMul(tall!, tall!, true),
      convolved: tf.conv2d(images as tf.Tensor4D, filter as tf.Tensor4D, 1, "same"),
      pooled: tf.maxPool(images as tf.Tensor4D, 2, 2, "same"),
      gathered: tf.gather(rows!, tf.tensor1d([], "int32")),
      oneHot: tf.oneHot(tf.tensor1d([], "int32"), 3),
    }), inputs);
  },
});
