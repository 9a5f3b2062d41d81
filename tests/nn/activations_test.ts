import { DEVICE_NAMES } from "../../engine/device.ts";
import * as tf from "../../engine/tf.ts";
import { float32 } from "../../engine/tree.ts";
import { silu } from "../../nn/activations.ts";
import { randomStream } from "../../nn/random.ts";
import { assertAllClose } from "../assert_close.ts";
import { deviceWorks } from "../devices.ts";
import { numericalGradient } from "./finite_differences.ts";
import { compute } from "./on_device.ts";

const exact = (x: number) => x / (1 + Math.exp(-x));

const values = [-80, -20, -5, -1.2784645, -1, -0.1, 0, 0.1, 1, 5, 20, 80];

for (const device of DEVICE_NAMES) {
  Deno.test({
    name: `silu() agrees with its formula and has its slope on ${device}`,
    ignore: !deviceWorks(device),
    fn: async () => {
      const x = float32(values, [3, 4]);
      const dy = float32(randomStream(1).normal(12), [3, 4]);
      const { y, dx } = await compute(device, { x, dy }, ({ x, dy }) => ({
        y: silu(x!),
        dx: tf.grad((x) => silu(x))(x!, dy),
      }));
      assertAllClose(y!.data, values.map(exact), { atol: 1e-6 });
      const slopes = values.map((value) => numericalGradient(([v]) => exact(v!), [value])[0]!);
      assertAllClose(dx!.data, slopes.map((slope, i) => slope * dy.data[i]!), { atol: 2e-6 });
    },
  });

  Deno.test({
    name: `silu() has the gradient of its formula when it is nested on ${device}`,
    ignore: !deviceWorks(device),
    fn: async () => {
      const x = float32(randomStream(2).normal(2 * 3 * 3 * 4), [2, 3, 3, 4]);
      const { mine, theirs } = await compute(device, { x }, ({ x }) => ({
        mine: tf.grad((x) => tf.sum(tf.square(silu(silu(x)))))(x!),
        theirs: tf.grad((x) => {
          const once = tf.mul(x, tf.sigmoid(x));
          return tf.sum(tf.square(tf.mul(once, tf.sigmoid(once))));
        })(x!),
      }));
      assertAllClose(mine!.data, theirs!.data, { atol: 1e-5 });
    },
  });
}
