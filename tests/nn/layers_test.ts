import { assertEquals, assertThrows } from "@std/assert";
import { DEVICE_NAMES } from "../../engine/device.ts";
import { UserError } from "../../base/errors.ts";
import * as tf from "../../engine/tf.ts";
import { float32, int32 } from "../../engine/tree.ts";
import {
  conv2d,
  conv2dSpecs,
  embedding,
  embeddingSpecs,
  linear,
  linearSpecs,
  normSpecs,
} from "../../nn/layers.ts";
import { randomStream } from "../../nn/random.ts";
import { assertAllClose } from "../assert_close.ts";
import { deviceWorks } from "../devices.ts";
import { dot, numericalGradient } from "./finite_differences.ts";
import { compute } from "./on_device.ts";

for (const device of DEVICE_NAMES) {
  const ignore = !deviceWorks(device);

  Deno.test({
    name: `linear() equals x W^T + b over the last axis with and without bias on ${device}`,
    ignore,
    fn: async () => {
      const inputs = {
        x: float32([1, 2, 3, 4, 5, 6, 7, 8], [2, 2, 2]),
        weight: float32([1, 10, 2, 20, 3, 30], [3, 2]),
        bias: float32([0.5, 0.25, -1]),
      };
      const { plain, biased, vector } = await compute(device, inputs, ({ x, weight, bias }) => ({
        plain: linear({ "l.weight": weight! }, "l", x!),
        biased: linear({ "l.weight": weight!, "l.bias": bias! }, "l", x!),
        vector: linear({ "l.weight": weight! }, "l", tf.slice(tf.reshape(x!, [8]), 0, 2)),
      }));
      const products = [21, 42, 63, 43, 86, 129, 65, 130, 195, 87, 174, 261];
      assertEquals(plain, { ...float32(products, [2, 2, 3]) });
      assertEquals(vector, float32([21, 42, 63]));
      const sums = products.map((value, i) => value + inputs.bias.data[i % 3]!);
      assertEquals(biased, float32(sums, [2, 2, 3]));
    },
  });

  Deno.test({
    name: `conv2d() convolves a padded image on ${device}`,
    ignore,
    fn: async () => {
      const inputs = {
        // 1 to 9, and ten times that in the second channel
        x: float32(Array.from({ length: 18 }, (_, i) => ((i >> 1) + 1) * (i % 2 ? 10 : 1)), [
          1,
          3,
          3,
          2,
        ]),
        // [out, in, 2, 2]: one output is the sum of the first channel's window, the other adds the top left
        // of the second channel and the bottom right of the first.
        weight: float32([1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0], [2, 2, 2, 2]),
        bias: float32([0, 0.5]),
      };
      const { plain, padded, strided } = await compute(device, inputs, (given) => {
        const x = given["x"] as tf.Tensor4D;
        const parameters = { "c.weight": given["weight"]!, "c.bias": given["bias"]! };
        return {
          plain: conv2d({ "c.weight": given["weight"]! }, "c", x),
          padded: conv2d(parameters, "c", x, { padding: 1 }),
          strided: conv2d(parameters, "c", x, { padding: 1, stride: 3 }),
        };
      });
      assertEquals(plain, float32([12, 15, 16, 26, 24, 48, 28, 59], [1, 2, 2, 2]));
      assertEquals(padded!.shape, [1, 4, 4, 2]);
      assertEquals([...padded!.data.subarray(0, 8)], [1, 1.5, 3, 2.5, 5, 3.5, 3, 0.5]);
      // Windows at a stride of three cover the corners only.
      assertEquals(strided, float32([1, 1.5, 3, 0.5, 7, 0.5, 9, 90.5], [1, 2, 2, 2]));
    },
  });

  for (
    const { channels, out, size, stride } of [
      { channels: 3, out: 16, size: 5, stride: 1 },
      { channels: 16, out: 16, size: 4, stride: 2 },
      { channels: 2, out: 3, size: 5, stride: 2 },
    ]
  ) {
    Deno.test({
      name:
        `conv2d() from ${channels} to ${out} channels with stride ${stride} has the gradient of ` +
        `its formula on ${device}`,
      ignore,
      fn: async () => {
        const random = randomStream(9);
        const outSize = Math.floor((size + 2 - 3) / stride) + 1;
        const x = random.stream("x").normal(size * size * channels);
        const weight = random.stream("weight").normal(out * channels * 9);
        const dy = random.stream("dy").normal(outSize * outSize * out);
        const inputs = {
          x: float32(x, [1, size, size, channels]),
          weight: float32(weight, [out, channels, 3, 3]),
          bias: float32(random.stream("bias").normal(out)),
          dy: float32(dy, [1, outSize, outSize, out]),
        };
        const { dx, dweight, dbias } = await compute(device, inputs, (given) => {
          const apply = (x: tf.Tensor, weight: tf.Tensor, bias: tf.Tensor) =>
            conv2d({ "c.weight": weight, "c.bias": bias }, "c", x as tf.Tensor4D, {
              padding: 1,
              stride,
            });
          const [dx, dweight, dbias] = tf.grads(apply)(
            [given["x"]!, given["weight"]!, given["bias"]!],
            given["dy"]!,
          );
          return { dx: dx!, dweight: dweight!, dbias: dbias! };
        });
        /** The sum of dy * y over all outputs, or over one output channel, without the bias. */
        const product = (x: ArrayLike<number>, weight: ArrayLike<number>, only?: number) => {
          let sum = 0;
          for (let i = 0; i < outSize * outSize; i++) {
            const [row, column] = [Math.floor(i / outSize) * stride - 1, i % outSize * stride - 1];
            for (let tap = 0; tap < 9; tap++) {
              const [y, z] = [row + Math.floor(tap / 3), column + tap % 3];
              if (y < 0 || z < 0 || y >= size || z >= size) continue;
              for (let c = 0; c < channels; c++) {
                const value = x[(y * size + z) * channels + c]!;
                for (let o = only ?? 0; o < (only === undefined ? out : only + 1); o++) {
                  sum += dy[i * out + o]! * weight[(o * channels + c) * 9 + tap]! * value;
                }
              }
            }
          }
          return sum;
        };
        assertAllClose(dx!.data, numericalGradient((x) => product(x, weight), x, 1), {
          atol: 1e-4,
          rtol: 1e-4,
          message: "dx",
        });
        // About a hundred weights, evenly spaced; the function is linear in each.
        for (let at = 0; at < weight.length; at += Math.ceil(weight.length / 97)) {
          const one = new Float64Array(weight.length).fill(0).with(at, 1);
          const expected = product(x, one, Math.floor(at / (9 * channels)));
          assertAllClose([dweight!.data[at]!], [expected], {
            atol: 1e-4,
            rtol: 1e-4,
            message: `dweight ${at}`,
          });
        }
        const sums = Array.from(
          { length: out },
          (_, o) => dot(dy, dy.map((_, i) => +(i % out === o))),
        );
        assertAllClose(dbias!.data, sums, { atol: 1e-5, rtol: 1e-4, message: "dbias" });
      },
    });
  }

  Deno.test({
    name: `embedding() looks up rows and adds the gradients of repeated ones on ${device}`,
    ignore,
    fn: async () => {
      const inputs = {
        table: float32([0, 1, 10, 11, 20, 21, 30, 31], [4, 2]),
        ids: int32([2, 0, 2], [3]),
        dy: float32([1, 2, 3, 4, 5, 6], [3, 2]),
        grid: int32([3, 1, 1, 0], [2, 2]),
      };
      const { rows, gradient, square } = await compute(device, inputs, (given) => {
        const look = (table: tf.Tensor, ids: tf.Tensor) =>
          embedding({ "e.weight": table }, "e", ids);
        return {
          rows: look(given["table"]!, given["ids"]!),
          gradient: tf.grad((table) => look(table, given["ids"]!))(given["table"]!, given["dy"]!),
          square: look(given["table"]!, given["grid"]!),
        };
      });
      assertEquals(rows, float32([20, 21, 0, 1, 20, 21], [3, 2]));
      assertEquals(gradient, float32([3, 4, 0, 0, 6, 8, 0, 0], [4, 2]));
      assertEquals(square, float32([30, 31, 10, 11, 10, 11, 0, 1], [2, 2, 2]));
    },
  });
}

Deno.test("specs have PyTorch's shapes and default initial values", () => {
  const bound = 1 / Math.sqrt(12);
  assertEquals(linearSpecs("l", 12, 5), {
    "l.weight": { shape: [5, 12], initializer: { bound } },
    "l.bias": { shape: [5], initializer: { bound } },
  });
  assertEquals(conv2dSpecs("c", 3, 8, 2), {
    "c.weight": { shape: [8, 3, 2, 2], initializer: { bound } },
    "c.bias": { shape: [8], initializer: { bound } },
  });
  assertEquals(linearSpecs("l", 12, 5, { bias: false, zero: true }), {
    "l.weight": { shape: [5, 12], initializer: { constant: 0 } },
  });
  assertEquals(embeddingSpecs("e", 10, 4), {
    "e.weight": { shape: [10, 4], initializer: { deviation: 1 } },
  });
  assertEquals(normSpecs("n", 6), {
    "n.weight": { shape: [6], initializer: { constant: 1 } },
    "n.bias": { shape: [6], initializer: { constant: 0 } },
  });
});

Deno.test("layers name the parameter when it is missing", () => {
  const x = tf.zeros([1, 2, 2, 3]) as tf.Tensor4D;
  const refused = (fn: () => unknown) =>
    assertThrows(fn, UserError, 'The model has no parameter "a.b.weight".');
  refused(() => linear({}, "a.b", x));
  refused(() => conv2d({}, "a.b", x));
  refused(() => embedding({}, "a.b", tf.tensor1d([0], "int32")));
});
