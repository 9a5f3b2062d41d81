import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { diffusionBatch } from "../../diffusion/objective.ts";
import { noiseSchedule } from "../../diffusion/schedules.ts";
import { type DeviceName, openDevice } from "../../engine/device.ts";
import * as tf from "../../engine/tf.ts";
import { float32 } from "../../engine/tree.ts";
import { adamW, type GradientTransform, scaleByLearningRate } from "../../nn/optimizers.ts";
import type { HostParameters } from "../../nn/parameters.ts";
import {
  compileTrainStep,
  initTrainState,
  type StepResult,
  type TrainState,
} from "../../training/diffusion_step.ts";
import { assertAllClose } from "../assert_close.ts";
import { deviceWorks } from "../devices.ts";
import { batchAt, initialState, settingsAt, tinyTrainStep } from "./tiny_training.ts";

const DEVICES = ["onnx", "wasm", "cpu"] as const;

/** A model that small can be trained by hand: its output is a x + b. */
const LINE = {
  specs: {
    a: { shape: [], initializer: { constant: 0 } },
    b: { shape: [1], initializer: { constant: 0 } },
  },
  parameters: { a: float32([0.5], []), b: float32([-0.25]) } as HostParameters,
};

const X0 = [1, -1, 0.5, 0.25];
const NOISE = [0.3, -0.2, 1.5, -0.7];
const TIMESTEPS = Int32Array.of(10, 80);
const WEIGHTS = Float64Array.from({ length: 100 }, (_, t) => t === 10 ? 2 : 0.5);
const SCHEDULE = noiseSchedule({ numTrainTimesteps: 100, predictionType: "epsilon" });

/** Loss, losses and gradient of the line on that batch, from the definitions. */
function byHand(a: number, b: number) {
  const losses = [0, 0];
  const gradient = [0, 0];
  X0.forEach((x0, i) => {
    const example = Math.floor(i / 2);
    const alpha = SCHEDULE.alphasCumprod[TIMESTEPS[example]!]!;
    const x = Math.sqrt(alpha) * x0 + Math.sqrt(1 - alpha) * NOISE[i]!;
    const error = a * x + b - NOISE[i]!;
    losses[example]! += error ** 2 / 2;
    const weight = WEIGHTS[TIMESTEPS[example]!]! / 2 / 2; // two examples of two numbers
    gradient[0]! += weight * 2 * error * x;
    gradient[1]! += weight * 2 * error;
  });
  return { losses, gradient, loss: (2 * losses[0]! + 0.5 * losses[1]!) / 2 };
}

async function stepLine(device: DeviceName, optimizer: GradientTransform, learningRate: number) {
  const trainStep = compileTrainStep(await openDevice(device, { threads: 1 }), {
    denoise: ({ a, b }, { x }) => tf.add(tf.mul(x, a!), b!),
    specs: LINE.specs,
    optimizer,
  });
  const batch = diffusionBatch(SCHEDULE, {
    x0: float32(X0, [2, 2]),
    noise: Float32Array.from(NOISE),
    timesteps: TIMESTEPS,
    weights: WEIGHTS,
  });
  const state = initTrainState(LINE.parameters, LINE.specs, optimizer);
  const result = await trainStep(state, batch, { step: 1, learningRate, emaDecay: 0.75 });
  await trainStep.dispose();
  return result;
}

for (const device of DEVICES) {
  const ignore = !deviceWorks(device);

  Deno.test({
    name: `compileTrainStep() goes down the gradient as computed by hand on ${device}`,
    ignore,
    fn: async () => {
      const { loss, losses, gradient } = byHand(0.5, -0.25);
      const result = await stepLine(device, scaleByLearningRate(), 0.1);
      assertAlmostEquals(result.loss, loss, 1e-6);
      assertAllClose(result.losses, losses);
      assertAlmostEquals(result.gradNorm, Math.hypot(...gradient), 1e-6);
      const parameters = [0.5 - 0.1 * gradient[0]!, -0.25 - 0.1 * gradient[1]!];
      assertAllClose(result.state.parameters.data, parameters);
      assertAllClose(
        result.state.ema.data,
        [0.5, -0.25].map((old, i) => 0.75 * old + 0.25 * parameters[i]!),
      );
      assertEquals(result.state.optimizer, {});
    },
  });

  Deno.test({
    name: `compileTrainStep() clips before AdamW, and reports the norm before that, on ${device}`,
    ignore,
    fn: async () => {
      const optimizer = adamW({ maxGradNorm: 0.01, weightDecay: 0.5 });
      const { gradient } = byHand(0.5, -0.25);
      const norm = Math.hypot(...gradient);
      const { state, gradNorm } = await stepLine(device, optimizer, 0.1);
      assertAlmostEquals(gradNorm, norm, 1e-6);
      const clipped = gradient.map((g) => g * 0.01 / norm);
      assertAllClose(state.optimizer["mean"]!.data, clipped.map((g) => 0.1 * g), { rtol: 1e-3 });
      assertAllClose(state.optimizer["variance"]!.data, clipped.map((g) => 0.001 * g * g), {
        atol: 0,
        rtol: 1e-3,
      });
      // Corrected for their bias, mean and deviation are the gradient and its magnitude.
      assertAllClose(
        state.parameters.data,
        [0.5, -0.25].map((p, i) => p - 0.1 * (Math.sign(gradient[i]!) + 0.5 * p)),
        { atol: 1e-4 },
      );
    },
  });

  Deno.test({
    name: `compileTrainStep() leaves no tensors behind, and its inputs as they were, on ${device}`,
    ignore,
    fn: async () => {
      const trainStep = await tinyTrainStep(device);
      const state = initialState();
      const before = structuredClone(state);
      const { batch } = batchAt(0);
      const counts: number[] = [];
      for (let step = 1; step <= 4; step++) {
        await trainStep(state, batch, { step, ...settingsAt(step) });
        counts.push(tf.memory().numTensors);
      }
      assertEquals(state, before);
      assertEquals(counts, Array(4).fill(counts[0]));
      await trainStep.dispose();
    },
  });
}

Deno.test({
  name: "compileTrainStep() loses nothing of the tensors that were there before the first step",
  fn: async () => {
    for (const device of DEVICES.filter(deviceWorks)) {
      const trainStep = await tinyTrainStep(device); // opens the device, which may keep tensors
      const { numTensors } = tf.memory();
      await trainStep(initialState(), batchAt(0).batch, { step: 1, ...settingsAt(0) });
      await trainStep.dispose();
      assertEquals(tf.memory().numTensors, numTensors, device);
    }
  },
});

/** Trains the tiny UNet for ten steps. */
async function trainTiny(device: DeviceName): Promise<StepResult[]> {
  const trainStep = await tinyTrainStep(device);
  const results: StepResult[] = [];
  let state: TrainState = initialState();
  for (let i = 0; i < 20; i++) {
    const result = await trainStep(state, batchAt(i).batch, { step: i + 1, ...settingsAt(i) });
    results.push(result);
    state = result.state;
  }
  await trainStep.dispose();
  return results;
}

let onCpu: Promise<StepResult[]> | undefined;

Deno.test("compileTrainStep() learns: the loss falls, and the average follows", async () => {
  onCpu ??= trainTiny("cpu");
  const results = await onCpu;
  // The first output of a UNet is 0, so that its first losses are the mean squares of the targets.
  const { batch } = batchAt(0);
  const [, , ofX0, ofNoise] = [0, 1, 2, 3].map((row) => batch.factors.data.slice(3 * row));
  const means = [0, 1, 2].map((b) => {
    const squares = Array.from({ length: 16 }, (_, i) => {
      const at = 16 * b + i;
      return (ofX0![b]! * batch.x0.data[at]! + ofNoise![b]! * batch.noise.data[at]!) ** 2;
    });
    return squares.reduce((a, c) => a + c) / 16;
  });
  assertAllClose(results[0]!.losses, means, { rtol: 1e-5 });
  const { parameters, ema } = results.at(-1)!.state;
  const trainStep = await tinyTrainStep("cpu");
  const again = await trainStep(results.at(-1)!.state, batch, { step: 11, ...settingsAt(10) });
  assert(again.loss < 0.9 * results[0]!.loss, `${results[0]!.loss}, then ${again.loss}`);
  await trainStep.dispose();
  const start = initialState().parameters.data;
  const moved = (vector: ArrayLike<number>) =>
    Math.hypot(...Array.from(vector, (value, i) => value - start[i]!));
  assert(moved(ema.data) > 0 && moved(ema.data) < moved(parameters.data));
});

for (const device of ["wasm", "onnx", "webgpu", "tensorflow"] as const) {
  Deno.test({
    name: `compileTrainStep() has the same losses over twenty steps on ${device} as on cpu`,
    ignore: !deviceWorks(device),
    fn: async () => {
      onCpu ??= trainTiny("cpu");
      const expected = await onCpu;
      const found = await trainTiny(device);
      found.forEach(({ loss, losses, gradNorm }, i) => {
        assertAlmostEquals(loss, expected[i]!.loss, 1e-3, `the loss of step ${i + 1}`);
        assertAllClose(losses, expected[i]!.losses, { atol: 1e-3, message: `step ${i + 1}` });
        assertAlmostEquals(gradNorm, expected[i]!.gradNorm, 1e-3 * (1 + gradNorm));
      });
      const last = expected.at(-1)!.state;
      assertAllClose(found.at(-1)!.state.ema.data, last.ema.data, { atol: 2e-3 });
    },
  });
}
