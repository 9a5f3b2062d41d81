import { assert, assertAlmostEquals, assertEquals, assertStrictEquals } from "@std/assert";
import { type DiffusionBatch, diffusionBatch } from "../../diffusion/objective.ts";
import { noiseSchedule } from "../../diffusion/schedules.ts";
import { type Device, type DeviceName, openDevice } from "../../engine/device.ts";
import * as tf from "../../engine/tf.ts";
import { float32, type HostArray } from "../../engine/tree.ts";
import type { AdamWOptions } from "../../nn/adamw.ts";
import {
  type HostParameters,
  initParameters,
  type Parameters,
  type ParameterSpecs,
  ravel,
  unravel,
} from "../../nn/parameters.ts";
import { randomStream } from "../../nn/random.ts";
import { denoiserLoss } from "../../training/denoiser_loss.ts";
import { compileTrainStep, type StepResult, type TrainState } from "../../training/step.ts";
import { assertAllClose } from "../assert_close.ts";
import { deviceWorks } from "../devices.ts";
import { adamInFloat64, adamStart, copyState, stateFrom } from "./states.ts";
import { batchAt, initialState, settingsAt, tinyTrainStep } from "./tiny_training.ts";

const DEVICES = ["onnx", "wasm", "cpu"] as const;

type DenoiserResult = StepResult<"losses" | "weighted">;

/** A model so small that it can be trained by hand: its output is a x + b. */
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

/** The first step of the line. */
async function stepLine(device: DeviceName, optimizer: AdamWOptions, learningRate: number) {
  const trainStep = compileTrainStep(await openDevice(device, { threads: 1 }), {
    loss: denoiserLoss(({ a, b }, { x }) => tf.add(tf.mul(x, a!), b!)),
    specs: LINE.specs,
    optimizer,
  });
  const batch = diffusionBatch(SCHEDULE, {
    x0: float32(X0, [2, 2]),
    noise: Float32Array.from(NOISE),
    timesteps: TIMESTEPS,
    weights: WEIGHTS,
  });
  const settings = { step: 1, learningRate, emaDecay: 0.75 };
  const result = await trainStep(trainStep.start(LINE.parameters), batch, settings);
  await trainStep.dispose();
  return result;
}

for (const device of DEVICES) {
  const ignore = !deviceWorks(device);

  Deno.test({
    name: `compileTrainStep() descends the gradient that was computed by hand, on ${device}`,
    ignore,
    fn: async () => {
      const { loss, losses, gradient } = byHand(0.5, -0.25);
      // With a large epsilon, Adam's first step is the gradient times learningRate / epsilon.
      const optimizer = { weightDecay: 0, epsilon: 1e6 };
      const result = await stepLine(device, optimizer, 1e5);
      assertAlmostEquals(result.loss, loss, 1e-6);
      assertAllClose(result.figures.losses.data, losses);
      assertAlmostEquals(result.gradNorm, Math.hypot(...gradient), 1e-6);
      const parameters = [0.5 - 0.1 * gradient[0]!, -0.25 - 0.1 * gradient[1]!];
      assertAllClose(result.state.parameters.data, parameters);
      assertAllClose(
        result.state.ema.data,
        [0.5, -0.25].map((old, i) => 0.75 * old + 0.25 * parameters[i]!),
      );
      assertAllClose(result.state.optimizer["mean"]!.data, gradient.map((g) => 0.1 * g));
      assertAllClose(result.state.optimizer["variance"]!.data, gradient.map((g) => 0.001 * g * g));
    },
  });

  Deno.test({
    name:
      `compileTrainStep() clips before AdamW and reports the norm before clipping, on ${device}`,
    ignore,
    fn: async () => {
      const optimizer = { maxGradNorm: 0.01, weightDecay: 0.5 };
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
    name: `compileTrainStep() leaks no tensors and leaves its inputs unchanged on ${device}`,
    ignore,
    fn: async () => {
      const trainStep = await tinyTrainStep(device);
      const state = initialState();
      const before = structuredClone(state);
      const { batch } = batchAt(0);
      const given = structuredClone(batch);
      const counts: number[] = [];
      for (let step = 1; step <= 4; step++) {
        await trainStep(state, batch, { step, ...settingsAt(step) });
        counts.push(tf.memory().numTensors);
      }
      assertEquals(state, before);
      assertEquals(batch, given);
      assertEquals(counts, Array(4).fill(counts[0]));
      await trainStep.dispose();
    },
  });
}

Deno.test("compileTrainStep() keeps the tensors that existed before the first step", async () => {
  for (const device of DEVICES.filter(deviceWorks)) {
    const trainStep = await tinyTrainStep(device); // opens the device, which may keep tensors
    const { numTensors } = tf.memory();
    await trainStep(initialState(), batchAt(0).batch, { step: 1, ...settingsAt(0) });
    await trainStep.dispose();
    assertEquals(tf.memory().numTensors, numTensors, device);
  }
});

/** Trains the tiny UNet for twenty steps. */
async function trainTiny(device: DeviceName): Promise<DenoiserResult[]> {
  const trainStep = await tinyTrainStep(device);
  const results: DenoiserResult[] = [];
  let state = initialState();
  for (let i = 0; i < 20; i++) {
    const result = await trainStep(state, batchAt(i).batch, { step: i + 1, ...settingsAt(i) });
    ({ state } = result);
    results.push({ ...result, state: copyState(state) });
  }
  await trainStep.dispose();
  return results;
}

let onCpu: Promise<DenoiserResult[]> | undefined;

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
  assertAllClose(results[0]!.figures.losses.data, means, { rtol: 1e-5 });
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

for (const device of ["wasm", "onnx", "onnx-webgpu", "tensorflow"] as const) {
  Deno.test({
    name: `compileTrainStep() has the same losses over twenty steps on ${device} as on cpu`,
    ignore: !deviceWorks(device),
    fn: async () => {
      onCpu ??= trainTiny("cpu");
      const expected = await onCpu;
      const found = await trainTiny(device);
      found.forEach(({ loss, figures, gradNorm }, i) => {
        assertAlmostEquals(loss, expected[i]!.loss, 1e-3, `the loss of step ${i + 1}`);
        assertAllClose(figures.losses.data, expected[i]!.figures.losses.data, {
          atol: 1e-3,
          message: `step ${i + 1}`,
        });
        assertAlmostEquals(gradNorm, expected[i]!.gradNorm, 1e-3 * (1 + gradNorm));
      });
      const last = expected.at(-1)!.state;
      assertAllClose(found.at(-1)!.state.ema.data, last.ema.data, { atol: 2e-3 });
    },
  });
}

const SPECS: ParameterSpecs = {
  "large.weight": { shape: [7, 6], initializer: { deviation: 0.5 } },
  "small.weight": { shape: [6, 5], initializer: { deviation: 0.5 } },
};

/** [B, 5] by way of 6 and 7 features. */
function denoise(parameters: Parameters, { x }: { x: tf.Tensor }): tf.Tensor {
  const small = parameters["small.weight"] as tf.Tensor2D;
  const inner = tf.matMul(x as tf.Tensor2D, small, false, true); // [B, 6]
  const wide = tf.tanh(tf.matMul(inner, parameters["large.weight"] as tf.Tensor2D, false, true));
  const back = tf.matMul(wide, parameters["large.weight"] as tf.Tensor2D); // [B, 6]
  return tf.matMul(back as tf.Tensor2D, small);
}

const LOSS = denoiserLoss(denoise);

/** A batch for a step; its noise times a factor, its losses times a weight. */
function batchOf(count: number, factor = 1, weight = 1): DiffusionBatch {
  const random = randomStream(1).at(count);
  const schedule = noiseSchedule();
  return diffusionBatch(schedule, {
    x0: float32(random.stream("x0").normal(20), [4, 5]),
    noise: random.stream("noise").normal(20).map((value) => value * factor),
    timesteps: random.stream("timesteps").integers(4, 0, schedule.numTrainTimesteps),
    exampleWeights: new Float64Array(4).fill(weight),
  });
}

const initial = (): HostParameters => initParameters(SPECS, randomStream(0));
const at = (step: number) => ({ step, learningRate: 0.01, emaDecay: 0.9 });

/** Loss, losses and gradients as one graph that knows no optimizer. */
function compileGradients({ compile }: Device) {
  const names = Object.keys(SPECS);
  type Inputs = { parameters: HostParameters; batch: DiffusionBatch };
  type Outputs = { loss: HostArray; losses: HostArray; gradients: HostParameters };
  return compile<Inputs, Outputs>(({ parameters, batch }) => {
    const named = (weights: tf.Tensor[]) =>
      Object.fromEntries(names.map((name, i) => [name, weights[i]!]));
    const { value, grads } = tf.valueAndGrads((...weights: tf.Tensor[]) =>
      LOSS(named(weights), batch).loss
    )(names.map((name) => parameters[name]!));
    const { losses } = LOSS(parameters, batch).figures!;
    return { loss: value, losses, gradients: named(grads) };
  });
}

for (const device of ["cpu", "onnx"] satisfies DeviceName[]) {
  for (
    const [how, rules] of [
      ["AdamW, clipped", { maxGradNorm: 0.01 }],
      ["AdamW, unclipped", {}],
      ["Adamax, clipped", { rule: "adamax", maxGradNorm: 0.01 }],
      ["Adamax, unclipped", { rule: "adamax" }],
    ] as const
  ) {
    Deno.test({
      name: `compileTrainStep() takes the steps of float64's ${how}, on ${device}`,
      ignore: !deviceWorks(device),
      fn: async () => {
        const optimizer: AdamWOptions = { ...rules, weightDecay: 0.1, beta2: 0.99 };
        const opened = await openDevice(device, { threads: 1 });
        const gradientsOf = compileGradients(opened);
        const step = compileTrainStep(opened, { specs: SPECS, loss: LOSS, optimizer });

        let state = stateFrom(initial(), SPECS, optimizer);
        let expected = adamStart(state.parameters.data);
        for (let count = 1; count <= 3; count++) {
          const parameters = unravel(float32(expected.parameters), SPECS);
          const given = await gradientsOf({ parameters, batch: batchOf(count) });
          const gradient = ravel(given.gradients, SPECS).data;
          const found = await step(state, batchOf(count), at(count));
          const [loss, norm] = [given.loss.data[0]!, Math.hypot(...gradient)];
          assertAlmostEquals(found.loss, loss, 1e-5 * loss);
          assertAlmostEquals(found.gradNorm, norm, 1e-5 * norm);
          assertAllClose(found.figures.losses.data, given.losses.data, { rtol: 1e-4 });
          ({ state } = found);
          expected = adamInFloat64(expected, gradient, at(count), optimizer);
        }
        await gradientsOf.dispose();
        await step.dispose();
        const close = { atol: 1e-6, rtol: 1e-4 };
        assertAllClose(state.parameters.data, expected.parameters, close);
        assertAllClose(state.ema.data, expected.ema, close);
        const { mean, variance, largest } = state.optimizer;
        assertAllClose(mean!.data, expected.mean, { ...close, message: "mean" });
        assertAllClose((variance ?? largest)!.data, expected.second, {
          ...close,
          message: "the second slot",
        });
      },
    });
  }
}

Deno.test("compileTrainStep() continues from a state of another step", async () => {
  const device = await openDevice("cpu");
  const make = () =>
    compileTrainStep(device, { specs: SPECS, loss: LOSS, optimizer: { maxGradNorm: 0.5 } });
  const [one, other] = [make(), make()];
  const { state: first } = await one(stateFrom(initial(), SPECS), batchOf(1), at(1));
  // The other step receives the first one's state, and both go on with the same batch.
  const moved = await other(first, batchOf(2), at(2));
  const stayed = await one(first, batchOf(2), at(2));
  assertStrictEquals(stayed.state.parameters.data, first.parameters.data);
  assertEquals(copyState(moved.state), copyState(stayed.state));
  await one.dispose();
  await other.dispose();
});

// Losses of 1e22 and gradients like them are numbers in float32, and their squares are not.
for (
  const [what, factor, weight] of [
    ["not finite", Infinity, 1],
    ["too large to square", 1, 1e22],
  ] as const
) {
  Deno.test(`compileTrainStep() changes nothing when gradients are ${what}`, async () => {
    const device = await openDevice("cpu");
    const optimizer = { maxGradNorm: 0.5 };
    const step = compileTrainStep(device, { specs: SPECS, loss: LOSS, optimizer });
    const before = stateFrom(initial(), SPECS);
    const { state, gradNorm, loss } = await step(before, batchOf(1, factor, weight), at(1));
    assert(!Number.isFinite(gradNorm));
    assertEquals(Number.isFinite(loss), factor !== Infinity);
    assertEquals(copyState(state), before);
    await step.dispose();
  });
}

Deno.test("start() begins in the step's own memory, which may do without an average", async () => {
  const device = await openDevice("cpu");
  const make = (ema: boolean) =>
    compileTrainStep<{ x: HostArray }, never>(device, {
      specs: SPECS,
      optimizer: { maxGradNorm: 0.5 },
      ema,
      loss: (parameters, { x }) => ({
        loss: tf.mean(tf.square(denoise(parameters, { x }))) as tf.Scalar,
      }),
    });
  const batch = { x: float32(randomStream(4).normal(20), [4, 5]) };
  const [copied, started, bare] = [make(true), make(true), make(false)];
  let [one, other, third]: TrainState[] = [
    stateFrom(initial(), SPECS),
    started.start(initial()),
    bare.start(initial()),
  ];
  for (let count = 1; count <= 2; count++) {
    ({ state: one } = await copied(one!, batch, at(count)));
    ({ state: other } = await started(other!, batch, at(count)));
    ({ state: third } = await bare(third!, batch, at(count)));
  }
  assertEquals([...other!.parameters.data], [...one!.parameters.data]);
  assertEquals([...other!.ema.data], [...one!.ema.data]);
  assertEquals([...third!.parameters.data], [...one!.parameters.data]);
  assertEquals([...third!.ema.data], [...third!.parameters.data]);
  // Starting again forgets what was learned.
  assertEquals(copyState(started.start(initial())), stateFrom(initial(), SPECS));
  for (const step of [copied, started, bare]) await step.dispose();
});

for (const name of ["cpu", "onnx"] as const) {
  Deno.test({
    name: `compileTrainStep() returns figures, also the loss itself, and leaks nothing on ${name}`,
    ignore: !deviceWorks(name),
    fn: async () => {
      const device = await openDevice(name, { threads: 1 });
      const specs = { w: { shape: [2], initializer: { constant: 0 } } };
      const step = compileTrainStep<{ x: HostArray }, "same" | "twice">(device, {
        specs,
        optimizer: {},
        loss: ({ w }, { x }) => {
          const loss = tf.sum(tf.square(tf.sub(w!, x))) as tf.Scalar;
          return { loss, figures: { same: loss, twice: tf.mul(loss, 2) } };
        },
      });
      const batch = { x: float32([1, -2], [2]) };
      const state = step.start({ w: float32([3, 0], [2]) });
      const settings = { step: 1, learningRate: 0, emaDecay: 0 };
      const { loss, gradNorm, figures } = await step(state, batch, settings);
      // (3 - 1)^2 + 2^2, and the length of its gradient (4, 4).
      assertEquals([loss, figures.same.data[0], figures.twice.data[0]], [8, 8, 16]);
      assertAlmostEquals(gradNorm, Math.hypot(4, 4), 1e-6);
      const before = tf.memory().numTensors;
      await step(state, batch, { ...settings, step: 2 });
      assertEquals(tf.memory().numTensors, before);
      await step.dispose();
    },
  });
}
