/**
 * Opens the device of `--device NAME`, checks a result and measures the speed. Prints one line of
 * JSON: a Trial of tools/devices.ts, which runs this.
 */
import { type Adapter, type DeviceName, openDevice } from "../engine/device.ts";
import { UserError } from "../base/errors.ts";
import * as tf from "../engine/tf.ts";
import { float32, type HostArray, sizeOf } from "../engine/tree.ts";

/** Milliseconds of measurement. */
const DURATION = 700;

const SIDE = 28;
const CHANNELS = 32;

/** Floating-point operations of a convolution and its two gradients, per image. */
const OPERATIONS = 3 * 2 * SIDE * SIDE * CHANNELS * CHANNELS * 9;

type Named = Record<string, HostArray>;

/** The mean of a convolution, and the sums of its gradients. */
function step({ x, filter }: Record<string, tf.Tensor>): Record<string, tf.Tensor> {
  const convolve = (x: tf.Tensor, filter: tf.Tensor) =>
    tf.mean(tf.conv2d(x as tf.Tensor4D, filter as tf.Tensor4D, 1, "same")) as tf.Scalar;
  const { value, grads: [dx, dFilter] } = tf.valueAndGrads(convolve)([x!, filter!]);
  return { mean: value, dx: tf.sum(dx!), dFilter: tf.sum(dFilter!) };
}

function describeAdapter({ name, software, halfPrecision, largestTensor }: Adapter): string {
  const facts = [
    ...(software ? ["in software"] : []),
    halfPrecision ? "float16" : "no float16",
    `tensors of up to ${(largestTensor / 1e9).toFixed(1)} GB`,
  ];
  return `${name} (${facts.join(", ")})`;
}

const device = Deno.args[1] as DeviceName;
const images = device === "cpu" ? 1 : 8; // cpu is slow, and no faster per image with more
try {
  const opened = await openDevice(device);
  const run = opened.compile<Named, Named>(step);
  const filled = (value: number, shape: readonly number[]) =>
    float32(new Float32Array(sizeOf(shape)).fill(value), shape);
  const inputs = {
    x: filled(1, [images, SIDE, SIDE, CHANNELS]),
    filter: filled(0.01, [3, 3, CHANNELS, CHANNELS]),
  };
  const timed = async () => {
    const start = performance.now();
    const results = await run(inputs);
    return { results, milliseconds: performance.now() - start };
  };
  // Each product inside the image is 0.01, and a pixel has ((3 * 28 - 2) / 28)^2 of them on
  // average.
  const expected = 0.01 * CHANNELS * ((3 * SIDE - 2) / SIDE) ** 2;
  const first = await timed();
  const [mean] = first.results["mean"]!.data;
  // A sum of many small numbers, one after the other, has a relative error of about 1e-3.
  if (!(Math.abs(mean! - expected) < 1e-2 * expected)) {
    throw new UserError(`It computes ${mean}, but the result must be ${expected}.`);
  }
  // The first run includes compilation, and counts only if it took too long for another one.
  const times: number[] = [];
  for (let spent = first.milliseconds > DURATION ? DURATION : 0; spent < DURATION;) {
    const { milliseconds } = await timed();
    times.push(milliseconds);
    spent += milliseconds;
  }
  const milliseconds = times.sort((a, b) => a - b)[times.length >> 1] ?? first.milliseconds;
  const { threads } = opened;
  const adapter = opened.adapter && describeAdapter(opened.adapter);
  const gigaflops = OPERATIONS * images / milliseconds / 1e6;
  console.log(JSON.stringify({ device, threads, milliseconds, gigaflops, adapter }));
} catch (error) {
  const failure = error instanceof Error ? error.message : String(error);
  console.log(JSON.stringify({ device, failure: failure.split("\n")[0] }));
}
