import { assert, assertEquals, assertRejects } from "@std/assert";
import { diffusionBatch, type TimedBatch } from "../../diffusion/objective.ts";
import { noiseSchedule } from "../../diffusion/schedules.ts";
import { openDevice } from "../../engine/device.ts";
import { UserError } from "../../base/errors.ts";
import * as tf from "../../engine/tf.ts";
import { float32 } from "../../engine/tree.ts";
import { scaleByLearningRate } from "../../nn/optimizers.ts";
import {
  compileTrainStep,
  initTrainState,
  type StepSettings,
  type TrainState,
  type TrainStep,
} from "../../training/diffusion_step.ts";
import { train } from "../../training/loop.ts";
import type { DiffusionStep } from "../../training/loss_window.ts";
import { batchAt, initialState, settingsAt, tinyTrainStep } from "./tiny_training.ts";

/** A batch whose time steps are the step's number. */
function numbered(step: number): TimedBatch {
  const timesteps = Int32Array.of(step);
  const batch = diffusionBatch(noiseSchedule(), {
    x0: float32([0], [1, 1]),
    noise: Float32Array.of(0),
    timesteps,
  });
  return { batch, timesteps };
}

/** A state that is a number. */
const stateOf = (value: number): TrainState => ({
  parameters: float32([value]),
  ema: float32([value]),
  optimizer: {},
});

/** A step that adds 1 and writes down what it was told, with a loss for each step. */
function countingStep(
  told: StepSettings[],
  lossAt: (step: number) => number = (step) => 1 / step,
  gradNormAt: (step: number) => number = () => 2,
): TrainStep {
  const step = (state: TrainState, _batch: unknown, settings: StepSettings) => {
    told.push(settings);
    const [loss, gradNorm] = [lossAt(settings.step), gradNormAt(settings.step)];
    return Promise.resolve({
      state: stateOf(state.parameters.data[0]! + 1),
      ...{ loss, gradNorm, losses: Float32Array.of(loss), weighted: Float32Array.of(loss) },
    });
  };
  return Object.assign(step, { dispose: () => Promise.resolve() });
}

Deno.test("train() asks for batches and settings from the first step that is not done", async () => {
  const told: StepSettings[] = [];
  const steps = await Array.fromAsync(train({
    trainStep: countingStep(told),
    state: stateOf(3),
    ...{ done: 3, total: 6, batchAt: numbered },
    settingsAt: (step) => ({ learningRate: step / 10, emaDecay: step / 100 }),
  }));
  assertEquals(told, [
    { step: 4, learningRate: 0.3, emaDecay: 0.03 },
    { step: 5, learningRate: 0.4, emaDecay: 0.04 },
    { step: 6, learningRate: 0.5, emaDecay: 0.05 },
  ]);
  assertEquals(steps.map(({ step }) => step), [4, 5, 6]);
  assertEquals(steps.map(({ state }) => state.parameters.data[0]), [4, 5, 6]);
  assertEquals(steps.map(({ timesteps }) => [...timesteps]), [[3], [4], [5]]);
  assertEquals(steps.map(({ learningRate }) => learningRate), [0.3, 0.4, 0.5]);
  assertEquals(steps.map(({ loss }) => loss), [1 / 4, 1 / 5, 1 / 6]);
  assertEquals(steps.map(({ gradNorm }) => gradNorm), [2, 2, 2]);
});

Deno.test("train() does nothing when all steps are done", async () => {
  const told: StepSettings[] = [];
  const options = { batchAt: numbered, settingsAt, trainStep: countingStep(told), total: 5 };
  assertEquals(await Array.fromAsync(train({ ...options, state: stateOf(0), done: 5 })), []);
  assertEquals(told, []);
});

Deno.test("train() takes no step beyond the one at which its caller stops", async () => {
  const told: StepSettings[] = [];
  const options = { batchAt: numbered, settingsAt, trainStep: countingStep(told), total: 100 };
  for await (const { step } of train({ ...options, state: stateOf(0), done: 0 })) {
    if (step === 2) break;
  }
  assertEquals(told.length, 2);
});

for (
  const { name, trainStep, message } of [
    {
      name: "a loss that is NaN",
      trainStep: countingStep([], (step) => step === 3 ? NaN : 1),
      message: "training diverged at step 3: the loss is NaN, the gradients' norm 2",
    },
    {
      name: "a loss that is infinite",
      trainStep: countingStep([], (step) => step === 3 ? Infinity : 1),
      message: "training diverged at step 3: the loss is Infinity",
    },
  ]
) {
  Deno.test(`train() names the step with ${name}, and does not give its state away`, async () => {
    const seen: number[] = [];
    const options = { batchAt: numbered, settingsAt, trainStep, total: 9 };
    await assertRejects(
      async () => {
        for await (const { step } of train({ ...options, state: stateOf(0), done: 0 })) {
          seen.push(step);
        }
      },
      UserError,
      message,
    );
    assertEquals(seen, [1, 2]);
  });
}

Deno.test("train() skips steps whose gradients overflow, and keeps the state and the batch", async () => {
  const told: StepSettings[] = [];
  const trainStep = countingStep(told, () => 1, (step) => [2, 4].includes(step) ? Infinity : 2);
  const kept: [number, TimedBatch["batch"], number][] = [];
  const steps = await Array.fromAsync(train({
    ...{ batchAt: numbered, settingsAt, trainStep, state: stateOf(0), done: 0, total: 5 },
    keep: (step, batch, { gradNorm }) => {
      kept.push([step, batch, gradNorm]);
      return Promise.resolve("");
    },
  }));
  assertEquals(steps.map(({ skipped }) => skipped), [false, true, false, true, false]);
  assertEquals(steps.map(({ state }) => state.parameters.data[0]), [1, 1, 2, 2, 3]);
  assertEquals(told.map(({ step }) => step), [1, 2, 3, 4, 5]);
  assertEquals(kept, [[2, numbered(1).batch, Infinity], [4, numbered(3).batch, Infinity]]);
});

Deno.test("train() stops where gradients overflow in ten steps one after the other", async () => {
  const seen: number[] = [];
  const options = { batchAt: numbered, settingsAt, state: stateOf(0), done: 0, total: 99 };
  const trainStep = countingStep([], () => 1, (step) => step > 3 && step !== 8 ? NaN : 2);
  await assertRejects(
    async () => {
      const keep = (step: number) => Promise.resolve(`Batch ${step}. `);
      for await (const { step } of train({ ...options, trainStep, keep })) seen.push(step);
    },
    UserError,
    "training diverged at step 18: the loss is 1, the gradients' norm NaN, the last of 10 such " +
      "steps. Batch 18. The last checkpoint is kept; try a lower --learning-rate",
  );
  assertEquals(seen.at(-1), 17);
});

Deno.test("train() stops a real model that a learning rate of 1e30 blows up", async () => {
  const spec = { shape: [], initializer: { constant: 0 } };
  const specs = { a: spec, b: spec };
  const optimizer = scaleByLearningRate();
  const trainStep = compileTrainStep(await openDevice("cpu"), {
    denoise: ({ a, b }, { x }) => tf.add(tf.mul(x, a!), b!),
    ...{ specs, optimizer },
  });
  const batch = diffusionBatch(noiseSchedule(), {
    x0: float32([1, -1], [2, 1]),
    noise: Float32Array.of(0.5, 1),
    timesteps: Int32Array.of(100, 700),
  });
  const seen: DiffusionStep[] = [];
  await assertRejects(
    async () => {
      const steps = train({
        trainStep,
        state: initTrainState({ a: float32([1], []), b: float32([0], []) }, specs, optimizer),
        ...{ done: 0, total: 5 },
        batchAt: () => ({ batch, timesteps: Int32Array.of(100, 700) }),
        settingsAt: () => ({ learningRate: 1e30, emaDecay: 0 }),
      });
      for await (const step of steps) seen.push(step);
    },
    UserError,
    "training diverged at step 2: the loss is Infinity",
  );
  // Step 1 was sound; its state is what the caller still holds.
  assertEquals(seen.map(({ step }) => step), [1]);
  assert(seen[0]!.state.parameters.data.every(Number.isFinite));
  await trainStep.dispose();
});

Deno.test("train() gives the same bits in one go as stopped and begun again", async () => {
  const options = { batchAt, settingsAt, total: 6 };
  const trainStep = await tinyTrainStep("cpu");
  const straight = await Array.fromAsync(
    train({ ...options, trainStep, state: initialState(), done: 0 }),
  );
  const [third] = (await Array.fromAsync(
    train({ ...options, trainStep, state: initialState(), done: 0, total: 3 }),
  )).slice(-1);
  // As after a file: other arrays, and a step that is compiled anew.
  const state = structuredClone(third!.state);
  const again = await tinyTrainStep("cpu");
  const rest = await Array.fromAsync(train({ ...options, trainStep: again, state, done: 3 }));
  assertEquals(rest, straight.slice(3));
  await trainStep.dispose();
  await again.dispose();
});

Deno.test("train() lets signals and timers be handled between steps that never wait", async () => {
  let fired = false;
  const timer = setTimeout(() => {
    fired = true;
  }, 0);
  const busy = countingStep([], () => {
    const end = performance.now() + 2;
    while (performance.now() < end);
    return 1;
  });
  const options = { batchAt: numbered, settingsAt, trainStep: busy, state: stateOf(0) };
  for await (const { step } of train({ ...options, done: 0, total: 500 })) {
    if (fired) break;
    assert(step < 100, "a hundred steps went by");
  }
  clearTimeout(timer);
  assert(fired);
});
