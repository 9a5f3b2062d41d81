import { assertAlmostEquals } from "@std/assert";
import { type DeviceName, openDevice } from "../../engine/device.ts";
import * as tf from "../../engine/tf.ts";
import { float32, type HostArray, int32 } from "../../engine/tree.ts";
import { gelu, geluTanh } from "../../nn/activations.ts";
import { affine, lookup } from "../../nn/layers.ts";
import { crossEntropy, IGNORED_LABEL } from "../../nn/cross_entropy.ts";
import { layerNorm, standardizeRows } from "../../nn/layer_norm.ts";
import { randomStream } from "../../nn/random.ts";
import { assertAllClose } from "../assert_close.ts";
import { deviceWorks } from "../devices.ts";

const CLOSE = { atol: 2e-5, rtol: 2e-4 };

/** A seeded array of a shape. */
function random(name: string, ...shape: number[]): HostArray {
  return float32(randomStream(0).stream(name).normal(shape.reduce((a, b) => a * b, 1)), shape);
}

type Fn = (...inputs: tf.Tensor[]) => tf.Tensor;

/** The value of a function and the gradients of a weighted sum of it. */
async function differentiated(device: DeviceName, fn: Fn, inputs: HostArray[]) {
  const { compile } = await openDevice(device, { threads: 1 });
  const run = compile<HostArray[], { value: HostArray; gradients: HostArray[] }>((tensors) => {
    const weighted = (...args: tf.Tensor[]) => {
      const y = fn(...args);
      return tf.sum(tf.mul(y, tf.reshape(tf.cos(tf.range(0, y.size)), y.shape))) as tf.Scalar;
    };
    return { value: fn(...tensors), gradients: tf.grads(weighted)([...tensors]) };
  });
  const result = await run(inputs);
  await run.dispose();
  return result;
}

/** Each operation with its definition by tfjs's operations, which autodiff differentiates. */
const CASES: Record<string, { fn: Fn; definition: Fn; inputs: HostArray[] }> = {
  "layerNorm()": {
    fn: (x, weight, bias) => layerNorm({ "l.weight": weight!, "l.bias": bias! }, "l", x!),
    definition: (x, weight, bias) => {
      const centered = tf.sub(x!, tf.mean(x!, -1, true));
      const deviation = tf.sqrt(tf.add(tf.mean(tf.square(centered), -1, true), 1e-5));
      return tf.add(tf.mul(tf.div(centered, deviation), weight!), bias!);
    },
    inputs: [random("x", 2, 3, 8), random("weight", 8), random("bias", 8)],
  },
  "standardizeRows()": {
    fn: (x) => standardizeRows(x!),
    definition: (x) => {
      const centered = tf.sub(x!, tf.mean(x!, -1, true));
      return tf.div(centered, tf.sqrt(tf.add(tf.mean(tf.square(centered), -1, true), 1e-5)));
    },
    inputs: [random("x", 2, 3, 8)],
  },
  "gelu()": {
    fn: (x) => gelu(x!),
    definition: (x) => tf.mul(tf.mul(x!, 0.5), tf.add(1, tf.erf(tf.div(x!, Math.SQRT2)))),
    inputs: [random("x", 5, 7)],
  },
  "geluTanh()": {
    fn: (x) => geluTanh(x!),
    definition: (x) => {
      const inner = tf.add(x!, tf.mul(tf.pow(x!, 3), 0.044715));
      const tanh = tf.tanh(tf.mul(inner, Math.sqrt(2 / Math.PI)));
      return tf.mul(tf.mul(x!, 0.5), tf.add(1, tanh));
    },
    inputs: [random("x", 5, 7)],
  },
  "affine()": {
    fn: (x, weight, bias) => affine(x!, weight as tf.Tensor2D, bias as tf.Tensor1D),
    definition: (x, weight, bias) => {
      const product = tf.matMul(tf.reshape(x!, [6, 4]), weight as tf.Tensor2D);
      return tf.reshape(tf.add(product, bias!), [2, 3, 5]);
    },
    inputs: [random("x", 2, 3, 4), random("weight", 4, 5), random("bias", 5)],
  },
  "affine() with a transposed weight": {
    fn: (x, weight, bias) => affine(x!, weight as tf.Tensor2D, bias as tf.Tensor1D, true),
    definition: (x, weight, bias) => {
      const product = tf.matMul(tf.reshape(x!, [6, 4]), tf.transpose(weight as tf.Tensor2D));
      return tf.reshape(tf.add(product, bias!), [2, 3, 5]);
    },
    inputs: [random("x", 2, 3, 4), random("weight", 5, 4), random("bias", 5)],
  },
  "lookup() with repeated rows": {
    fn: (table) => lookup(table as tf.Tensor2D, tf.tensor2d([[3, 0], [3, 3]], [2, 2], "int32")),
    definition: (table) => {
      const hot = tf.oneHot(tf.tensor1d([3, 0, 3, 3], "int32"), 5) as tf.Tensor2D;
      return tf.reshape(tf.matMul(tf.cast(hot, "float32"), table as tf.Tensor2D), [2, 2, 6]);
    },
    inputs: [random("table", 5, 6)],
  },
};

for (const device of ["cpu", "onnx"] satisfies DeviceName[]) {
  for (const [name, { fn, definition, inputs }] of Object.entries(CASES)) {
    Deno.test({
      name: `${name} and its gradients agree with the definition on ${device}`,
      ignore: !deviceWorks(device),
      fn: async () => {
        const actual = await differentiated(device, fn, inputs);
        const expected = await differentiated("cpu", definition, inputs);
        assertAllClose(actual.value.data, expected.value.data, CLOSE);
        actual.gradients.forEach(({ data }, i) =>
          assertAllClose(data, expected.gradients[i]!.data, { ...CLOSE, message: `gradient ${i}` })
        );
      },
    });
  }

  Deno.test({
    name: `crossEntropy() is log V for equal logits and skips ignored labels on ${device}`,
    ignore: !deviceWorks(device),
    fn: async () => {
      const { compile } = await openDevice(device, { threads: 1 });
      const run = compile<Record<string, HostArray>, Record<"loss" | "gradient", HostArray>>(
        ({ logits, labels }) => {
          const { value, grad } = tf.valueAndGrad((x: tf.Tensor) =>
            crossEntropy(x as tf.Tensor2D, labels as tf.Tensor1D)
          )(logits!);
          return { loss: value, gradient: grad };
        },
      );
      const { loss, gradient } = await run({
        logits: float32([1, 1, 1, 1, 9, 9, 9, 9, 2, 2, 2, 2], [3, 4]),
        labels: int32([2, IGNORED_LABEL, 0]),
      });
      await run.dispose();
      assertAlmostEquals(loss.data[0]!, Math.log(4), 1e-6);
      const [quarter, rest] = [1 / 8, 1 / 8 - 1 / 2];
      const expected = [
        quarter,
        quarter,
        rest,
        quarter,
        0,
        0,
        0,
        0,
        rest,
        quarter,
        quarter,
        quarter,
      ];
      assertAllClose(gradient.data, expected, { atol: 1e-6 });
    },
  });
}
