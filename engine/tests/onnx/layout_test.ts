import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { initializeBackend, trace } from "../../onnx/compile.ts";
import { channelBroadcast, convAttributes } from "../../onnx/layout.ts";
import * as tf from "../../tf.ts";
import type { TensorTree } from "../../tree.ts";
import { silu } from "../../../nn/activations.ts";
import { groupNorm } from "../../../nn/group_norm.ts";
import { upsampleConv2d } from "../../../nn/upsample.ts";
import { deviceWorks } from "../../../tests/devices.ts";
import { assertSameAsCpu, drawn, LAYOUTS, RUNS, seeds } from "./against_cpu.ts";
import { nodes } from "./decode_model.ts";

const ignore = !deviceWorks("onnx");

const conv = (x: tf.Tensor, filter: tf.Tensor, strides = 1) =>
  tf.conv2d(x as tf.Tensor4D, filter as tf.Tensor4D, strides, "same");

/** Two convolutions with element-wise operations between them, as in a residual block. */
function residual(tensors: TensorTree): tf.Tensor {
  const { x, first, second, bias, perSample } = tensors as Record<string, tf.Tensor>;
  const hidden = silu(tf.add(conv(x!, first!), bias!));
  const scaled = tf.mul(tf.sub(hidden, perSample!), 2);
  return tf.add(conv(scaled, second!), x!);
}

Deno.test({
  name:
    "a chain of convolutions changes the layout only at its ends when channels divide into blocks",
  ignore,
  fn: async () => {
    const backend = await initializeBackend();
    const channels = backend.blockSize || 16;
    const { model } = trace(backend, residual, {
      x: drawn(1, [2, 4, 4, channels]),
      first: drawn(2, [3, 3, channels, 2 * channels]),
      second: drawn(3, [3, 3, 2 * channels, channels]),
      bias: drawn(4, [2 * channels]),
      perSample: drawn(5, [2, 1, 1, 2 * channels]),
    });
    // The same operators change the layout of filters, from [O, I, h, w] and to b * b channels.
    const ofImages = nodes(model).filter(({ op, integers }) =>
      op.startsWith("Reorder") && integers["channels_last"] === 1 &&
      integers["channels"] !== channels ** 2
    );
    const ends = backend.blockSize > 0 ? ["ReorderInput", "ReorderOutput"] : [];
    assertEquals(ofImages.map(({ op }) => op), ends);
  },
});

Deno.test("channelBroadcast() recognises one number for each channel, or for each sample and channel", () => {
  const image = [2, 3, 4, 5];
  const of = (...shape: number[]) =>
    channelBroadcast({ dataId: {}, shape, dtype: "float32" }, image);
  assertEquals([of(5), of(1, 5), of(1, 1, 1, 5)], ["channel", "channel", "channel"]);
  assertEquals(of(2, 1, 1, 5), "sample");
  assertEquals([of(1), of(4, 1), of(2, 1, 1, 1), of(3, 1, 5)], Array(4).fill(undefined));
});

Deno.test("convAttributes() states all attributes", () => {
  assertEquals(convAttributes({ kernel: [3, 1] }), {
    kernel_shape: [3, 1],
    strides: [1, 1],
    dilations: [1, 1],
    pads: [0, 0, 0, 0],
    group: 1,
    auto_pad: "NOTSET",
  });
});

/** A network with several layouts, resolutions and numbers of channels, and a skip connection. */
function network(weights: Record<string, tf.Tensor>, x: tf.Tensor): tf.Tensor {
  const normed = (name: string, x: tf.Tensor) =>
    silu(groupNorm(weights, name, x as tf.Tensor4D, { groups: 2 }));
  const top = conv(x, weights["in"]!);
  const down = conv(normed("top", top), weights["down"]!, 2);
  const middle = tf.add(conv(normed("low", down), weights["middle"]!), down);
  const up = upsampleConv2d(weights, "up", middle as tf.Tensor4D);
  const joined = tf.concat([up, top], 3);
  return conv(silu(joined), weights["out"]!);
}

/** Numbers of channels at both levels: both, one or none of them divide into blocks. */
const widths = fc.constantFrom([16, 32], [16, 20], [20, 16], [6, 10], [32, 32]);

for (const layout of LAYOUTS) {
  Deno.test({
    name: `a network and its gradients agree with the cpu device for ${layout} tensors`,
    ignore,
    fn: () =>
      fc.assert(
        fc.asyncProperty(
          widths,
          fc.constantFrom(1, 3, 16),
          seeds,
          async ([top, low], samples, seed) => {
            const shapes: Record<string, number[]> = {
              in: [3, 3, 3, top!],
              "top.weight": [top!],
              "top.bias": [top!],
              down: [3, 3, top!, low!],
              "low.weight": [low!],
              "low.bias": [low!],
              middle: [3, 3, low!, low!],
              "up.weight": [top!, low!, 3, 3],
              "up.bias": [top!],
              out: [1, 1, 2 * top!, 2],
            };
            const names = Object.keys(shapes);
            const weights = Object.entries(shapes).map(([name, shape], i) => {
              const { data, ...rest } = drawn(seed + i, shape);
              return [name, { ...rest, data: data.map((v) => v / 4) }] as const;
            });
            const inputs = { image: drawn(seed + 50, [samples, 4, 4, 3]) };
            await assertSameAsCpu(
              layout,
              ({ image, ...given }) => {
                const loss = (...tensors: tf.Tensor[]) => {
                  const weights = Object.fromEntries(names.map((name, i) => [name, tensors[i]!]));
                  return tf.mean(tf.square(network(weights, image!))) as tf.Scalar;
                };
                const { value, grads } = tf.valueAndGrads(loss)(names.map((name) => given[name]!));
                return {
                  loss: value,
                  ...Object.fromEntries(names.map((name, i) => [`of ${name}`, grads[i]!])),
                };
              },
              { ...inputs, ...Object.fromEntries(weights) },
              { atol: 2e-4, rtol: 1e-3 },
            );
          },
        ),
        RUNS,
      ),
  });
}
