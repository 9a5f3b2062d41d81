import fc from "fast-check";
import { type DeviceName, openDevice } from "../device.ts";
import * as tf from "../tf.ts";
import type { HostArray } from "../tree.ts";
import { assertAllClose } from "../../tests/assert_close.ts";
import { deviceWorks } from "../../tests/devices.ts";
import { drawn, RUNS, seeds } from "./onnx/against_cpu.ts";

type Named = Record<string, HostArray>;

/** The result of a convolution and both of its gradients. */
async function convolved(
  device: DeviceName,
  inputs: Named,
  convolve: (x: tf.Tensor4D, filter: tf.Tensor4D) => tf.Tensor4D,
): Promise<Named> {
  const { compile } = await openDevice(device, { threads: 1 });
  const run = compile<Named, Named>(({ x, filter }) => {
    const y = convolve(x as tf.Tensor4D, filter as tf.Tensor4D);
    const squares = (x: tf.Tensor, filter: tf.Tensor) =>
      tf.sum(tf.square(convolve(x as tf.Tensor4D, filter as tf.Tensor4D))) as tf.Scalar;
    const [dx, dFilter] = tf.grads(squares)([x!, filter!]);
    return { y, dx: dx!, dFilter: dFilter! };
  });
  try {
    return await run(inputs);
  } finally {
    await run.dispose();
  }
}

const sides = fc.integer({ min: 3, max: 8 });

for (const kind of ["conv2d", "depthwiseConv2d"] as const) {
  Deno.test({
    name: `tf.${kind}() padded by numbers agrees with the cpu device on tensorflow`,
    ignore: !deviceWorks("tensorflow"),
    fn: () =>
      fc.assert(
        fc.asyncProperty(
          fc.tuple(sides, sides),
          fc.integer({ min: 1, max: 3 }), // square: tfjs confuses height and width here
          fc.integer({ min: 1, max: 2 }),
          fc.integer({ min: 0, max: 2 }),
          seeds,
          async ([height, width], size, stride, pad, seed) => {
            const inputs = {
              x: drawn(seed, [2, height, width, 3]),
              filter: drawn(seed + 1, [size, size, 3, 2]),
            };
            const convolve = (x: tf.Tensor4D, filter: tf.Tensor4D) =>
              tf[kind](x, filter, stride, pad, "NHWC", 1, "floor");
            const expected = await convolved("cpu", inputs, convolve);
            const found = await convolved("tensorflow", inputs, convolve);
            for (const [name, { data }] of Object.entries(expected)) {
              assertAllClose(found[name]!.data, data, { atol: 1e-3, rtol: 1e-4, message: name });
            }
          },
        ),
        { ...RUNS, numRuns: 25 },
      ),
  });
}
