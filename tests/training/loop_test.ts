import { assert, assertEquals, assertRejects } from "@std/assert";
import { diffusionBatch, type TimedBatch } from "../../diffusion/objective.ts";
import { noiseSchedule } from "../../diffusion/schedules.ts";
import { openDevice } from "../../engine/device.ts";
import { UserError } from "../../base/errors.ts";
import * as tf from "../../engine/tf.ts";
import { float32 } from "../../engine/tree.ts";
import type { AdamWSettings } from "../../nn/adamw.ts";
import { emaDecayAt } from "../../nn/ema.ts";
import { denoiserLoss } from "../../training/denoiser_loss.ts";
import { type StepWatch, train, type TrainingConfig } from "../../training/loop.ts";
import { compileTrainStep, type StepResult, type TrainState } from "../../training/step.ts";
import { copyState } from "./states.ts";
import { batchAt, initialState, tinyTrainStep } from "./tiny_training.ts";

const CONFIG: TrainingConfig = {
  steps: 6,
  learningRate: 0.005,
  lrSchedule: "constant",
  warmupSteps: 4,
  emaDecay: 0.8,
  logEvery: 1,
  evalEvery: 1,
  checkpointEvery: 1,
};

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

/** A step that adds 1 and records its settings, with a loss for each step. */
function countingStep(
  recorded: AdamWSettings[],
  lossAt: (step: number) => number = (step) => 1 / step,
  gradNormAt: (step: number) => number = () => 2,
) {
  return (state: TrainState, _: unknown, settings: AdamWSettings): Promise<StepResult> => {
    recorded.push(settings);
    return Promise.resolve({
      state: stateOf(state.parameters.data[0]! + 1),
      loss: lossAt(settings.step),
      gradNorm: gradNormAt(settings.step),
      figures: {},
    });
  };
}

/** A watch that records what it receives. */
function recordingWatch() {
  const kept: [step: number, batch: unknown, gradNorm: number][] = [];
  const watched: number[] = [];
  const watch: StepWatch = {
    keep: (step, batch, { gradNorm }) => {
      kept.push([step, batch, gradNorm]);
      return Promise.resolve(`Batch ${step}. `);
    },
    watch: ({ step }) => {
      watched.push(step);
      return Promise.resolve();
    },
  };
  return { watch, kept, watched };
}

Deno.test("train() asks for batches and settings from the first step that is not done", async () => {
  const recorded: AdamWSettings[] = [];
  const steps = await Array.fromAsync(train({
    trainStep: countingStep(recorded),
    state: stateOf(3),
    done: 3,
    batchAt: numbered,
    config: { ...CONFIG, learningRate: 1, lrSchedule: "linear", warmupSteps: 4, emaDecay: 0.35 },
  }));
  // The warm-up's last step, then from 1 down to 0 over the two that remain.
  assertEquals(recorded, [
    { step: 4, learningRate: 0.75, emaDecay: emaDecayAt(4, { maxDecay: 0.35 }) },
    { step: 5, learningRate: 1, emaDecay: 0.35 },
    { step: 6, learningRate: 0.5, emaDecay: 0.35 },
  ]);
  assertEquals(steps.map(({ step }) => step), [4, 5, 6]);
  assertEquals(steps.map(({ state }) => state.parameters.data[0]), [4, 5, 6]);
  assertEquals(steps.map(({ timesteps }) => [...timesteps]), [[3], [4], [5]]);
  assertEquals(steps.map(({ learningRate }) => learningRate), [0.75, 1, 0.5]);
  assertEquals(steps.map(({ loss }) => loss), [1 / 4, 1 / 5, 1 / 6]);
  assertEquals(steps.map(({ gradNorm }) => gradNorm), [2, 2, 2]);
});

const COUNTED = { batchAt: numbered, config: CONFIG, state: stateOf(0) };

Deno.test("train() does nothing when all steps are done", async () => {
  const recorded: AdamWSettings[] = [];
  const trainStep = countingStep(recorded);
  assertEquals(await Array.fromAsync(train({ ...COUNTED, trainStep, done: 6 })), []);
  assertEquals(recorded, []);
});

Deno.test("train() takes no step beyond the one at which its caller stops", async () => {
  const recorded: AdamWSettings[] = [];
  for await (const { step } of train({ ...COUNTED, trainStep: countingStep(recorded) })) {
    if (step === 2) break;
  }
  assertEquals(recorded.length, 2);
});

Deno.test("train() reports what is due after each step, and everything after the last", async () => {
  const config = { ...CONFIG, steps: 13, logEvery: 2, evalEvery: 4, checkpointEvery: 5 };
  const steps = await Array.fromAsync(train({ ...COUNTED, config, trainStep: countingStep([]) }));
  const due = (what: "logs" | "endsWindow" | "measures" | "saves" | "stops") =>
    steps.filter((step) => step[what]).map(({ step }) => step);
  assertEquals(due("logs"), [2, 4, 6, 8, 10, 12, 13]);
  assertEquals(due("endsWindow"), [2, 4, 6, 8, 10, 12]);
  assertEquals(due("measures"), [4, 8, 12, 13]);
  assertEquals(due("saves"), [5, 10, 13]);
  assertEquals(due("stops"), []);
});

Deno.test("train() ends with a checkpoint after the step during which it is interrupted", async () => {
  const recorded: AdamWSettings[] = [];
  const config = { ...CONFIG, steps: 9, logEvery: 5, checkpointEvery: 5 };
  const steps = await Array.fromAsync(train({
    ...COUNTED,
    config,
    trainStep: countingStep(recorded),
    interrupted: () => recorded.length >= 3,
  }));
  assertEquals(recorded.length, 3);
  assertEquals(
    steps.map(({ step, logs, saves, stops }) => [step, logs, saves, stops]),
    [[1, false, false, false], [2, false, false, false], [3, false, true, true]],
  );
});

for (
  const { name, loss, message } of [
    {
      name: "a loss that is NaN",
      loss: NaN,
      message: "training diverged at step 3: the loss is NaN, the gradients' norm 2",
    },
    {
      name: "a loss that is infinite",
      loss: Infinity,
      message: "training diverged at step 3: the loss is Infinity",
    },
  ]
) {
  Deno.test(`train() names the step with ${name}, and does not yield its state`, async () => {
    const seen: number[] = [];
    const trainStep = countingStep([], (step) => step === 3 ? loss : 1);
    await assertRejects(
      async () => {
        for await (const { step } of train({ ...COUNTED, trainStep })) seen.push(step);
      },
      UserError,
      message,
    );
    assertEquals(seen, [1, 2]);
  });
}

Deno.test("train() skips steps whose gradients overflow, and keeps the state and the batch", async () => {
  const recorded: AdamWSettings[] = [];
  const trainStep = countingStep(recorded, () => 1, (step) => step % 2 === 0 ? Infinity : 2);
  const config = { ...CONFIG, steps: 5 };
  const { watch, kept, watched } = recordingWatch();
  const steps = await Array.fromAsync(train({ ...COUNTED, config, trainStep, watch }));
  assertEquals(steps.map(({ skipped }) => skipped), [false, true, false, true, false]);
  assertEquals(steps.map(({ state }) => state.parameters.data[0]), [1, 1, 2, 2, 3]);
  assertEquals(recorded.map(({ step }) => step), [1, 2, 3, 4, 5]);
  assertEquals(kept, [[2, numbered(1).batch, Infinity], [4, numbered(3).batch, Infinity]]);
  assertEquals(watched, [1, 2, 3, 4, 5]);
});

Deno.test("train() stops when gradients overflow in ten steps in a row", async () => {
  const seen: number[] = [];
  const trainStep = countingStep([], () => 1, (step) => step > 3 && step !== 8 ? NaN : 2);
  const config = { ...CONFIG, steps: 99 };
  const { watch } = recordingWatch();
  await assertRejects(
    async () => {
      for await (const { step } of train({ ...COUNTED, config, trainStep, watch })) {
        seen.push(step);
      }
    },
    UserError,
    "training diverged at step 18: the loss is 1, the gradients' norm NaN, the last of 10 such " +
      "steps. Batch 18. The last checkpoint is kept; try a lower learning rate",
  );
  assertEquals(seen.at(-1), 17);
});

Deno.test("train() stops a real model that a learning rate of 1e30 blows up", async () => {
  const spec = { shape: [], initializer: { constant: 0 } };
  const trainStep = compileTrainStep(await openDevice("cpu"), {
    specs: { a: spec, b: spec },
    optimizer: { weightDecay: 0 },
    loss: denoiserLoss(({ a, b }, { x }) => tf.add(tf.mul(x, a!), b!)),
  });
  const timesteps = Int32Array.of(100, 700);
  const batch = diffusionBatch(noiseSchedule(), {
    x0: float32([1, -1], [2, 1]),
    noise: Float32Array.of(0.5, 1),
    timesteps,
  });
  const seen: { step: number; state: TrainState }[] = [];
  await assertRejects(
    async () => {
      const steps = train({
        trainStep,
        state: trainStep.start({ a: float32([1], []), b: float32([0], []) }),
        batchAt: () => ({ batch }),
        config: { ...CONFIG, learningRate: 1e30, warmupSteps: 0, emaDecay: 0 },
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

/** The steps of the tiny UNet, with copies of their states. */
async function tinySteps(
  given: { state: TrainState; done?: number; until?: number },
) {
  const trainStep = await tinyTrainStep("cpu");
  const steps = [];
  const { until = CONFIG.steps, ...from } = given;
  for await (const step of train({ ...from, trainStep, batchAt, config: CONFIG })) {
    steps.push({ ...step, state: copyState(step.state) });
    if (step.step === until) break;
  }
  await trainStep.dispose();
  return steps;
}

Deno.test("train() gives the same bits in one go as stopped and resumed", async () => {
  const straight = await tinySteps({ state: initialState() });
  assertEquals(straight.length, 6);
  const [third] = (await tinySteps({ state: initialState(), until: 3 })).slice(-1);
  // As after a file: other arrays, and a step that is compiled anew.
  const rest = await tinySteps({ state: structuredClone(third!.state), done: 3 });
  assertEquals(rest, straight.slice(3));
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
  const config = { ...CONFIG, steps: 500 };
  for await (const { step } of train({ ...COUNTED, config, trainStep: busy })) {
    if (fired) break;
    assert(step < 100, "a hundred steps went by");
  }
  clearTimeout(timer);
  assert(fired);
});
