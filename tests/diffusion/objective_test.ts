import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { qSample } from "../../diffusion/forward.ts";
import {
  type BatchTensors,
  type DiffusionBatch,
  diffusionBatch,
  diffusionLosses,
  type TrainableDenoiser,
} from "../../diffusion/objective.ts";
import { trainingTarget } from "../../diffusion/parameterisation.ts";
import { noiseSchedule, predictionTypes } from "../../diffusion/schedules.ts";
import { type DeviceName, openDevice } from "../../engine/device.ts";
import { UserError } from "../../base/errors.ts";
import * as tf from "../../engine/tf.ts";
import { float32, type HostArray } from "../../engine/tree.ts";
import { randomStream } from "../../nn/random.ts";
import { assertAllClose } from "../assert_close.ts";

const random = randomStream(5);
const x0 = float32(random.uniform(24, -1, 1), [4, 2, 3, 1]);
const noise = random.normal(24);
const timesteps = Int32Array.of(0, 99, 40, 40);

/** The losses of a denoiser without parameters. */
async function losses(
  denoise: TrainableDenoiser,
  batch: DiffusionBatch,
  device: DeviceName = "cpu",
): Promise<{ weighted: Float32Array; plain: Float32Array }> {
  const { compile } = await openDevice(device);
  const run = compile<{ batch: DiffusionBatch }, Record<"weighted" | "plain", HostArray>>(
    ({ batch }) => diffusionLosses(denoise, {}, batch as BatchTensors),
  );
  const { weighted, plain } = await run({ batch });
  await run.dispose();
  return { weighted: weighted.data as Float32Array, plain: plain.data as Float32Array };
}

for (const predictionType of predictionTypes) {
  const schedule = noiseSchedule({
    numTrainTimesteps: 100,
    betaSchedule: "squaredcos_cap_v2",
    predictionType,
  });

  Deno.test(`diffusionLosses() passes qSample()'s samples to a denoiser when it predicts ${predictionType}`, async () => {
    const batch = diffusionBatch(schedule, { x0, noise, timesteps });
    // The denoiser returns its input, so the loss is the squared distance from x_t to the target.
    const { plain, weighted } = await losses((_, { x }) => x, batch);
    const xt = qSample(schedule, x0.data, noise, timesteps);
    const target = trainingTarget(schedule, x0.data, noise, timesteps);
    const squares = xt.map((value, i) => (value - target[i]!) ** 2);
    const means = Array.from(
      timesteps,
      (_, b) => squares.subarray(6 * b, 6 * b + 6).reduce((a, c) => a + c) / 6,
    );
    assertAllClose(plain, means, { rtol: 1e-5 });
    assertEquals(weighted, plain);
  });

  Deno.test(`diffusionLosses() is 0 when the ${predictionType} denoiser knows x0`, async () => {
    // x0 and x_t give the noise; x0 and the noise give v.
    const signal = Array.from(timesteps, (t) => Math.sqrt(schedule.alphasCumprod[t]!));
    const sigma = Array.from(timesteps, (t) => Math.sqrt(1 - schedule.alphasCumprod[t]!));
    const shape = [4, 1, 1, 1];
    const batch = diffusionBatch(schedule, {
      x0,
      noise,
      timesteps,
      condition: { x0, signal: float32(signal, shape), sigma: float32(sigma, shape) },
    });
    const { plain } = await losses((_, { x, condition }) => {
      const { x0, signal, sigma } = condition as Record<string, tf.Tensor>;
      const epsilon = tf.div(tf.sub(x, tf.mul(x0!, signal!)), sigma!);
      if (predictionType === "epsilon") return epsilon;
      if (predictionType === "sample") return x0!;
      return tf.sub(tf.mul(epsilon, signal!), tf.mul(x0!, sigma!));
    }, batch);
    assertAllClose(plain, [0, 0, 0, 0], { atol: 1e-6 });
  });
}

Deno.test("diffusionLosses() weights each example by the weight of its timestep", async () => {
  const schedule = noiseSchedule({ numTrainTimesteps: 100 });
  const weights = Float64Array.from({ length: 100 }, (_, t) => t / 10);
  const batch = diffusionBatch(schedule, { x0, noise, timesteps, weights });
  const { plain, weighted } = await losses((_, { x }) => tf.zerosLike(x), batch);
  assertAllClose(weighted, [0, 9.9, 4, 4].map((weight, i) => weight * plain[i]!), { rtol: 1e-6 });
});

Deno.test("diffusionLosses() passes the timesteps and the condition to the denoiser", async () => {
  const schedule = noiseSchedule({ numTrainTimesteps: 100, predictionType: "sample" });
  const zero = float32(new Float32Array(4), [4, 1]);
  const batch = diffusionBatch(schedule, {
    x0: zero,
    noise: new Float32Array(4),
    timesteps,
    condition: { shift: float32([1, 2, 3, 4]) },
  });
  const { plain } = await losses(
    (_, { timesteps, condition }) =>
      tf.reshape(tf.add(timesteps, condition["shift"] as tf.Tensor), [4, 1]),
    batch,
  );
  assertEquals([...plain], [1, 101 ** 2, 43 ** 2, 44 ** 2]);
});

Deno.test("diffusionBatch() computes factors in float64 and rounds them once", () => {
  const schedule = noiseSchedule({ predictionType: "v_prediction" }); // linear, of 1000
  const { factors } = diffusionBatch(schedule, {
    x0: float32([0], [1, 1]),
    noise: Float32Array.of(0),
    timesteps: Int32Array.of(999),
    weights: new Float64Array(1000).fill(0.1),
  });
  // The product of 1 - beta as a sum of logarithms, unlike the schedule's own computation.
  let log = 0;
  for (let t = 0; t < 1000; t++) log += Math.log1p(-(1e-4 + (0.02 - 1e-4) * t / 999));
  const [signal, sigma] = [Math.exp(log / 2), Math.sqrt(-Math.expm1(log))];
  assertEquals(factors.shape, [5, 1]);
  [signal, sigma, -sigma, signal, 0.1].forEach((expected, i) =>
    assertAlmostEquals(factors.data[i]!, expected, 6e-8 * Math.abs(expected) + 1e-12)
  );
});

Deno.test("diffusionBatch() throws when timesteps are out of range or lengths do not match", () => {
  const schedule = noiseSchedule({ numTrainTimesteps: 100 });
  const given = (changes: object) => () =>
    diffusionBatch(schedule, { x0, noise, timesteps, ...changes });
  assertThrows(
    given({ timesteps: Int32Array.of(0, 1, 2, 100) }),
    UserError,
    "timestep is 100; it must be an integer from 0 to 99",
  );
  assertThrows(given({ timesteps: Int32Array.of(0, 1, -1, 3) }), UserError, "timestep is -1");
  assertThrows(given({ timesteps: Int32Array.of(0, 1) }), UserError, "2 timesteps");
  assertThrows(given({ noise: new Float32Array(23) }), UserError, "23 numbers of noise");
});
