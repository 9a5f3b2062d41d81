import { assertEquals } from "@std/assert";
import { DEVICE_NAMES } from "../../engine/device.ts";
import * as tf from "../../engine/tf.ts";
import { float32, sizeOf } from "../../engine/tree.ts";
import { randomStream } from "../../nn/random.ts";
import { upsampleConv2d } from "../../nn/upsample.ts";
import { assertAllClose } from "../assert_close.ts";
import { deviceWorks } from "../devices.ts";
import { compute } from "./on_device.ts";

/** Sizes of a case: samples, height and width before doubling, channels before and after. */
type Sizes = readonly [batch: number, height: number, width: number, channels: number, out: number];

/**
 * Calls `visit` for every product in a 3x3 convolution with padding 1 of the doubled image, with the
 * positions of the result, the weight and the pixel.
 */
function eachProduct(
  [batch, height, width, channels, out]: Sizes,
  visit: (y: number, weight: number, x: number) => void,
): void {
  const [tall, wide] = [2 * height, 2 * width];
  for (let n = 0; n < batch; n++) {
    for (let i = 0; i < tall; i++) {
      for (let j = 0; j < wide; j++) {
        for (let tap = 0; tap < 9; tap++) {
          const [row, column] = [i + Math.floor(tap / 3) - 1, j + tap % 3 - 1];
          if (row < 0 || column < 0 || row >= tall || column >= wide) continue;
          const pixel = (n * height + (row >> 1)) * width + (column >> 1);
          for (let o = 0; o < out; o++) {
            for (let c = 0; c < channels; c++) {
              const y = ((n * tall + i) * wide + j) * out + o;
              visit(y, (o * channels + c) * 9 + tap, pixel * channels + c);
            }
          }
        }
      }
    }
  }
}

const CASES: Sizes[] = [
  [2, 2, 3, 2, 3],
  [1, 1, 1, 1, 1],
  [1, 3, 2, 16, 32],
  [2, 2, 2, 16, 5],
  [16, 2, 2, 16, 16],
];

for (const device of DEVICE_NAMES) {
  for (const sizes of CASES) {
    const [batch, height, width, channels, out] = sizes;
    Deno.test({
      name:
        `upsampleConv2d() and its gradients agree with the doubled image's convolution for ${batch} of ` +
        `${height}x${width}x${channels} to ${out} on ${device}`,
      ignore: !deviceWorks(device),
      fn: async () => {
        const random = randomStream(1);
        const draw = (name: string, shape: readonly number[]) =>
          float32(random.stream(name).normal(sizeOf(shape)), shape);
        const inputs = {
          x: draw("x", [batch, height, width, channels]),
          weight: draw("weight", [out, channels, 3, 3]),
          bias: draw("bias", [out]),
          dy: draw("dy", [batch, 2 * height, 2 * width, out]),
        };
        const found = await compute(device, inputs, ({ x, weight, bias, dy }) => {
          const apply = (x: tf.Tensor, weight: tf.Tensor, bias: tf.Tensor) =>
            upsampleConv2d({ "up.weight": weight, "up.bias": bias }, "up", x as tf.Tensor4D);
          const [dx, dweight, dbias] = tf.grads(apply)([x!, weight!, bias!], dy);
          return { y: apply(x!, weight!, bias!), dx: dx!, dweight: dweight!, dbias: dbias! };
        });
        const { x, weight, bias, dy } = inputs;
        const y = Float64Array.from(dy.data, (_, i) => bias.data[i % out]!);
        const dx = new Float64Array(x.data.length);
        const dweight = new Float64Array(weight.data.length);
        const dbias = new Float64Array(out);
        dy.data.forEach((value, i) => dbias[i % out]! += value);
        eachProduct(sizes, (to, by, from) => {
          y[to]! += weight.data[by]! * x.data[from]!;
          dx[from]! += weight.data[by]! * dy.data[to]!;
          dweight[by]! += x.data[from]! * dy.data[to]!;
        });
        for (const [name, expected] of Object.entries({ y, dx, dweight, dbias })) {
          assertAllClose(found[name]!.data, expected, { atol: 1e-4, rtol: 1e-4, message: name });
        }
        assertEquals(found["y"]!.shape, [batch, 2 * height, 2 * width, out]);
      },
    });
  }
}
