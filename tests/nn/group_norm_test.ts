import { assertEquals, assertThrows } from "@std/assert";
import { DEVICE_NAMES } from "../../engine/device.ts";
import { UserError } from "../../base/errors.ts";
import * as tf from "../../engine/tf.ts";
import { float32 } from "../../engine/tree.ts";
import { groupNorm } from "../../nn/group_norm.ts";
import { randomStream } from "../../nn/random.ts";
import { assertAllClose } from "../assert_close.ts";
import { deviceWorks } from "../devices.ts";
import { dot, numericalGradient } from "./finite_differences.ts";
import { compute } from "./on_device.ts";

type Shape = readonly [batch: number, height: number, width: number, channels: number];

/** Group normalization in double precision, by the paper's formula. */
function reference(
  x: ArrayLike<number>,
  weight: ArrayLike<number>,
  bias: ArrayLike<number>,
  [batch, height, width, channels]: Shape,
  groups: number,
  epsilon: number,
): Float64Array {
  const result = new Float64Array(x.length);
  const pixels = height * width;
  const perGroup = channels / groups;
  for (let n = 0; n < batch; n++) {
    for (let group = 0; group < groups; group++) {
      const positions = Array.from({ length: pixels * perGroup }, (_, i) => {
        const [pixel, channel] = [Math.floor(i / perGroup), group * perGroup + i % perGroup];
        return { at: (n * pixels + pixel) * channels + channel, channel };
      });
      const average = (fn: (value: number) => number) =>
        positions.reduce((sum, { at }) => sum + fn(x[at]!), 0) / positions.length;
      const mean = average((value) => value);
      const deviation = Math.sqrt(average((value) => (value - mean) ** 2) + epsilon);
      for (const { at, channel } of positions) {
        result[at] = (x[at]! - mean) / deviation * weight[channel]! + bias[channel]!;
      }
    }
  }
  return result;
}

const CASES: { name: string; shape: Shape; groups: number; epsilon: number; offset: number }[] = [
  { name: "two groups", shape: [2, 3, 2, 4], groups: 2, epsilon: 1e-5, offset: 0 },
  { name: "one group", shape: [1, 2, 2, 3], groups: 1, epsilon: 1e-5, offset: 1 },
  { name: "a group for each channel", shape: [2, 2, 3, 3], groups: 3, epsilon: 1e-6, offset: 0 },
  { name: "whole blocks of channels", shape: [2, 2, 2, 32], groups: 4, epsilon: 1e-3, offset: 0 },
  { name: "a mean of ten deviations", shape: [1, 4, 4, 4], groups: 2, epsilon: 1e-5, offset: 10 },
  { name: "a mean of 100 deviations", shape: [1, 4, 4, 4], groups: 2, epsilon: 1e-5, offset: 100 },
  { name: "a mean of 1,000", shape: [1, 4, 4, 32], groups: 2, epsilon: 1e-5, offset: 1000 },
  { name: "two values a group", shape: [2, 1, 1, 32], groups: 16, epsilon: 1e-5, offset: 100 },
];

/** Applies it after an identity convolution, so that devices may change the layout. */
function throughConvolution(x: tf.Tensor): tf.Tensor4D {
  const channels = x.shape[3]!;
  const filter = tf.reshape(tf.eye(channels), [1, 1, channels, channels]) as tf.Tensor4D;
  return tf.conv2d(x as tf.Tensor4D, filter, 1, "same");
}

for (const device of DEVICE_NAMES) {
  for (const { name, shape, groups, epsilon, offset } of CASES) {
    Deno.test({
      name: `groupNorm() and its gradients agree with the formula for ${name} on ${device}`,
      ignore: !deviceWorks(device),
      fn: async () => {
        const random = randomStream(5);
        const channels = shape[3];
        const x = random.stream("x").normal(shape.reduce((a, b) => a * b))
          .map((value, i) => value * (1 + i % 3) + offset);
        const weight = random.stream("weight").normal(channels);
        const bias = random.stream("bias").normal(channels);
        const dy = random.stream("dy").normal(x.length);
        const offsets = random.stream("offsets").normal(shape[0] * channels)
          .map((value) => value / 10);
        const inputs = {
          x: float32(x, shape),
          offsets: float32(offsets, [shape[0], channels]),
          weight: float32(weight),
          bias: float32(bias),
          dy: float32(dy, shape),
        };
        const found = await compute(device, inputs, ({ x, offsets, weight, bias, dy }) => {
          const norm = (x: tf.Tensor, weight: tf.Tensor, bias: tf.Tensor, offsets?: tf.Tensor) =>
            groupNorm({ "n.weight": weight, "n.bias": bias }, "n", throughConvolution(x), {
              groups,
              epsilon,
              offsets: offsets as tf.Tensor2D | undefined,
            });
          const [dx, dweight, dbias] = tf.grads(norm)([x!, weight!, bias!], dy);
          const moved = tf.grads(norm)([x!, weight!, bias!, offsets!], dy);
          return {
            y: norm(x!, weight!, bias!),
            dx: dx!,
            dweight: dweight!,
            dbias: dbias!,
            "y of offsets": norm(x!, weight!, bias!, offsets),
            "dx of offsets": moved[0]!,
            doffsets: moved[3]!,
          };
        });
        const apply = (
          { x: at = x, weight: w = weight, bias: b = bias }: Partial<
            Record<"x" | "weight" | "bias", ArrayLike<number>>
          > = {},
        ) => reference(at, w, b, shape, groups, epsilon);
        const moved = (x: ArrayLike<number>, by: ArrayLike<number> = offsets) =>
          Float64Array.from(x, (value, i) => {
            const sample = Math.floor(i / (shape[1] * shape[2] * channels));
            return value + by[sample * channels + i % channels]!;
          });
        // x itself is rounded to 6e-8 of its mean.
        const atol = Math.max(1e-5, offset * 1e-6);
        assertAllClose(found["y"]!.data, apply(), { atol, message: "y" });
        const y = apply({ x: moved(x) });
        assertAllClose(found["y of offsets"]!.data, y, { atol, message: "y of offsets" });
        const expected = {
          dx: numericalGradient((x) => dot(dy, apply({ x })), x),
          dweight: numericalGradient((weight) => dot(dy, apply({ weight })), weight),
          dbias: numericalGradient((bias) => dot(dy, apply({ bias })), bias),
          "dx of offsets": numericalGradient((x) => dot(dy, apply({ x: moved(x) })), x),
          doffsets: numericalGradient((by) => dot(dy, apply({ x: moved(x, by) })), offsets),
        };
        for (const [key, gradient] of Object.entries(expected)) {
          const { data } = found[key]!;
          assertAllClose(data, gradient, { atol: 5 * atol, rtol: 1e-4, message: key });
        }
      },
    });
  }

  Deno.test({
    name: `groupNorm() returns the bias when all numbers of a group are equal on ${device}`,
    ignore: !deviceWorks(device),
    fn: async () => {
      const inputs = {
        x: float32(new Float32Array(16).fill(3.3), [1, 2, 2, 4]),
        weight: float32([1, 2, 3, 4]),
        bias: float32([0.5, -1, 0, 2]),
      };
      const { y } = await compute(device, inputs, ({ x, weight, bias }) => ({
        y: groupNorm({ "n.weight": weight!, "n.bias": bias! }, "n", x as tf.Tensor4D, {
          groups: 2,
          epsilon: 1e-2,
        }),
      }));
      const expected = Array.from({ length: 16 }, (_, i) => inputs.bias.data[i % 4]!);
      assertAllClose(y!.data, expected, { atol: 1e-4 });
    },
  });
}

Deno.test("groupNorm() names the parameter when it is missing", () => {
  const x = tf.zeros([1, 1, 1, 2]) as tf.Tensor4D;
  assertThrows(
    () => groupNorm({ "n.weight": tf.zeros([2]) }, "n", x, { groups: 1 }),
    UserError,
    'The model has no parameter "n.bias".',
  );
  assertEquals(x.isDisposed, false);
});
