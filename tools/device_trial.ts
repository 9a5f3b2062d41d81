/**
 * Opens the device that `--device NAME` names, checks a result and measures its speed; prints what it
 * found as a line of JSON. tools/devices.ts runs it.
 */
import { type DeviceName, openDevice } from "../engine/device.ts";
import { UserError } from "../base/errors.ts";
import * as tf from "../engine/tf.ts";
import { float32, type HostArray, sizeOf } from "../engine/tree.ts";

/** Milliseconds that are enough to measure a speed. */
const ENOUGH = 700;

const SIDE = 28;
const CHANNELS = 32;

/** Operations of a convolution and of its two gradients, an image. */
const OPERATIONS = 3 * 2 * SIDE * SIDE * CHANNELS * CHANNELS * 9;

type Named = Record<string, HostArray>;

/** A convolution's sum, and the gradients of its mean. */
function step({ x, filter }: Record<string, tf.Tensor>): Record<string, tf.Tensor> {
  const convolve = (x: tf.Tensor, filter: tf.Tensor) =>
    tf.mean(tf.conv2d(x as tf.Tensor4D, filter as tf.Tensor4D, 1, "same")) as tf.Scalar;
  const { value, grads: [dx, dFilter] } = tf.valueAndGrads(convolve)([x!, filter!]);
  return { mean: value, dx: tf.sum(dx!), dFilter: tf.sum(dFilter!) };
}

/** What of the machine a device computes on, if that can be told. */
async function adapterOf(device: DeviceName): Promise<string | undefined> {
  if (device !== "webgpu") return undefined;
  return (await navigator.gpu.requestAdapter())?.info.description;
}

const device = Deno.args[1] as DeviceName;
const images = device === "cpu" ? 1 : 8; // it is too slow for more, and gains nothing by them
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
  // Every product that is not of the border counts 0.01: ((3 * 28 - 2) / 28) ^ 2 taps a pixel.
  const expected = 0.01 * CHANNELS * ((3 * SIDE - 2) / SIDE) ** 2;
  const first = await timed();
  const [mean] = first.results["mean"]!.data;
  // Sums of many small numbers in plain order lose a thousandth.
  if (!(Math.abs(mean! - expected) < 1e-2 * expected)) {
    throw new UserError(`It computes ${mean} where ${expected} is right.`);
  }
  // The first one compiles, too, and counts only where there is no time for others.
  const times: number[] = [];
  for (let spent = first.milliseconds > ENOUGH ? ENOUGH : 0; spent < ENOUGH;) {
    const { milliseconds } = await timed();
    times.push(milliseconds);
    spent += milliseconds;
  }
  const milliseconds = times.sort((a, b) => a - b)[times.length >> 1] ?? first.milliseconds;
  const { threads } = opened;
  const adapter = await adapterOf(device);
  const gigaflops = OPERATIONS * images / milliseconds / 1e6;
  console.log(JSON.stringify({ device, threads, milliseconds, gigaflops, adapter }));
} catch (error) {
  const failure = error instanceof Error ? error.message : String(error);
  console.log(JSON.stringify({ device, failure: failure.split("\n")[0] }));
}
