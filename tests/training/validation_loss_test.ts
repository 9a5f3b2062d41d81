import { assertAlmostEquals, assertEquals } from "@std/assert";
import { diffusionBatch, type TimedBatch } from "../../diffusion/objective.ts";
import { noiseSchedule } from "../../diffusion/schedules.ts";
import { type DeviceName, openDevice } from "../../engine/device.ts";
import * as tf from "../../engine/tf.ts";
import { float32 } from "../../engine/tree.ts";
import { compileValidationLoss, type ValidationLoss } from "../../training/validation_loss.ts";
import { assertAllClose } from "../assert_close.ts";
import { deviceWorks } from "../devices.ts";

const DEVICES = ["onnx", "wasm", "cpu"] as const;

const schedule = noiseSchedule({ numTrainTimesteps: 100, predictionType: "sample" });

/** Examples of one number each: x0, and the time step that it is at. */
function batchOf(examples: readonly (readonly [x0: number, timestep: number])[]): TimedBatch {
  const timesteps = Int32Array.from(examples, ([, timestep]) => timestep);
  const batch = diffusionBatch(schedule, {
    x0: float32(examples.map(([x0]) => x0), [examples.length, 1]),
    noise: new Float32Array(examples.length),
    timesteps,
    weights: new Float64Array(100).fill(1000), // the measure is without weights
  });
  return { batch, timesteps };
}

/** Measures a denoiser that answers a + b whatever it is asked: the loss is (x0 - a - b) squared. */
async function measure(
  device: DeviceName,
  batches: readonly TimedBatch[],
  [a, b]: readonly [number, number] = [0.5, 0],
): Promise<ValidationLoss> {
  const spec = { shape: [], initializer: { constant: 0 } };
  const validationLoss = compileValidationLoss(await openDevice(device, { threads: 1 }), {
    denoise: ({ a, b }, { x }) => tf.add(tf.zerosLike(x), tf.add(a!, b!)),
    specs: { a: spec, b: spec },
    numTrainTimesteps: 100,
  });
  const result = await validationLoss(float32([a, b]), batches);
  await validationLoss.dispose();
  return result;
}

for (const device of DEVICES) {
  Deno.test({
    name: `compileValidationLoss() means over examples, not over batches, on ${device}`,
    ignore: !deviceWorks(device),
    fn: async () => {
      const { loss, quartiles } = await measure(device, [
        batchOf([[1.5, 0], [2.5, 24], [3.5, 25]]), // squared errors 1, 4, 9
        batchOf([[4.5, 99]]), // 16: a batch of another size
      ]);
      assertAlmostEquals(loss, (1 + 4 + 9 + 16) / 4, 1e-5);
      assertAllClose(quartiles, [(1 + 4) / 2, 9, NaN, 16]);
    },
  });
}

Deno.test("compileValidationLoss() measures the parameters that it is given", async () => {
  const batches = [batchOf([[1, 10], [1, 60]])];
  assertEquals((await measure("cpu", batches, [0.75, 0.25])).loss, 0);
  assertEquals((await measure("cpu", batches, [2, 1])).loss, 4);
});

Deno.test("compileValidationLoss() takes the mean over each example's numbers", async () => {
  const batch = diffusionBatch(schedule, {
    x0: float32([1, 2, 3, 4, 5, 6, 7, 8], [2, 2, 2]),
    noise: new Float32Array(8),
    timesteps: Int32Array.of(0, 80),
  });
  const timesteps = Int32Array.of(0, 80);
  const { loss, quartiles } = await measure("cpu", [{ batch, timesteps }], [0, 0]);
  assertAllClose(quartiles, [(1 + 4 + 9 + 16) / 4, NaN, NaN, (25 + 36 + 49 + 64) / 4]);
  assertAlmostEquals(loss, 204 / 8, 1e-5);
});
