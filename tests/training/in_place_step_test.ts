import { assert, assertAlmostEquals, assertEquals, assertStrictEquals } from "@std/assert";
import { diffusionBatch } from "../../diffusion/objective.ts";
import { noiseSchedule } from "../../diffusion/schedules.ts";
import { type DeviceName, openDevice } from "../../engine/device.ts";
import * as tf from "../../engine/tf.ts";
import { float32 } from "../../engine/tree.ts";
import { adamW, type GradientTransform } from "../../nn/optimizers.ts";
import { initParameters, type Parameters, type ParameterSpecs } from "../../nn/parameters.ts";
import { randomStream } from "../../nn/random.ts";
import {
  compileTrainStep,
  initTrainState,
  type TrainState,
} from "../../training/diffusion_step.ts";
import { compileInPlaceTrainStep } from "../../training/in_place_step.ts";
import { compileLossStep } from "../../training/loss_step.ts";
import { assertAllClose } from "../assert_close.ts";
import { deviceWorks } from "../devices.ts";

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

/** A batch for the step of this number; its noise times a factor, its losses times a weight. */
function batchOf(count: number, factor = 1, weight = 1) {
  const random = randomStream(1).at(count);
  const schedule = noiseSchedule();
  return diffusionBatch(schedule, {
    x0: float32(random.stream("x0").normal(20), [4, 5]),
    noise: random.stream("noise").normal(20).map((value) => value * factor),
    timesteps: random.stream("timesteps").integers(4, 0, schedule.numTrainTimesteps),
    exampleWeights: new Float64Array(4).fill(weight),
  });
}

function initialState(optimizer: GradientTransform): TrainState {
  return initTrainState(initParameters(SPECS, randomStream(0)), SPECS, optimizer);
}

for (const device of ["cpu", "onnx"] satisfies DeviceName[]) {
  for (
    const [how, rules] of [
      ["clipped", { maxGradNorm: 0.01 }],
      ["unclipped", {}],
      ["of Adamax, clipped", { rule: "adamax", maxGradNorm: 0.01 }],
      ["of Adamax, unclipped", { rule: "adamax" }],
    ] as const
  ) {
    Deno.test({
      name: `compileInPlaceTrainStep() takes compileTrainStep()'s steps, ${how}, on ${device}`,
      ignore: !deviceWorks(device),
      fn: async () => {
        const options = { ...rules, weightDecay: 0.1, beta2: 0.99 };
        const optimizer = adamW(options);
        const opened = await openDevice(device, { threads: 1 });
        const expectedStep = compileTrainStep(opened, { denoise, specs: SPECS, optimizer });
        const step = compileInPlaceTrainStep(opened, { denoise, specs: SPECS, optimizer: options });

        let state = initialState(optimizer);
        let expected = initialState(optimizer);
        for (let count = 1; count <= 3; count++) {
          const settings = { step: count, learningRate: 0.01, emaDecay: 0.9 };
          const given = await expectedStep(expected, batchOf(count), settings);
          const found = await step(state, batchOf(count), settings);
          assertAlmostEquals(found.loss, given.loss, 1e-5 * given.loss);
          assertAlmostEquals(found.gradNorm, given.gradNorm, 1e-5 * given.gradNorm);
          assertAllClose(found.losses, given.losses, { rtol: 1e-4 });
          ({ state } = found);
          expected = given.state;
        }
        await expectedStep.dispose();
        await step.dispose();
        const close = { atol: 1e-6, rtol: 1e-4 };
        assertAllClose(state.parameters.data, expected.parameters.data, close);
        assertAllClose(state.ema.data, expected.ema.data, close);
        for (const slot of optimizer.slots) {
          const { data } = state.optimizer[slot]!;
          assertAllClose(data, expected.optimizer[slot]!.data, { ...close, message: slot });
        }
      },
    });
  }
}

Deno.test("compileInPlaceTrainStep() goes on from a state that it did not give", async () => {
  const options = { maxGradNorm: 0.5 };
  const device = await openDevice("cpu");
  const make = () => compileInPlaceTrainStep(device, { denoise, specs: SPECS, optimizer: options });
  const at = (step: number) => ({ step, learningRate: 0.01, emaDecay: 0.9 });
  const [one, other] = [make(), make()];
  const { state: first } = await one(initialState(adamW(options)), batchOf(1), at(1));
  // Another step is given the first one's state, and both go on with the same batch.
  const moved = await other(first, batchOf(2), at(2));
  const stayed = await one(first, batchOf(2), at(2));
  assertStrictEquals(stayed.state.parameters.data, first.parameters.data);
  assertEquals([...moved.state.parameters.data], [...stayed.state.parameters.data]);
  assertEquals([...moved.state.ema.data], [...stayed.state.ema.data]);
});

// Losses of 1e22 and gradients like them are numbers in float32, and their squares are not.
for (
  const [what, factor, weight] of [
    ["not finite", Infinity, 1],
    ["too large to square", 1, 1e22],
  ] as const
) {
  Deno.test(`compileInPlaceTrainStep() changes nothing when gradients are ${what}`, async () => {
    const options = { maxGradNorm: 0.5 };
    const device = await openDevice("cpu");
    const step = compileInPlaceTrainStep(device, { denoise, specs: SPECS, optimizer: options });
    const before = initialState(adamW(options));
    const settings = { step: 1, learningRate: 0.01, emaDecay: 0.9 };
    const { state, gradNorm, loss } = await step(before, batchOf(1, factor, weight), settings);
    assert(!Number.isFinite(gradNorm));
    assertEquals(Number.isFinite(loss), factor !== Infinity);
    assertEquals([...state.parameters.data], [...before.parameters.data]);
    assertEquals([...state.ema.data], [...before.ema.data]);
    assert(state.optimizer["variance"]!.data.every(Number.isFinite));
  });
}

Deno.test("compileLossStep() starts in its own memory, and goes without an average", async () => {
  const device = await openDevice("cpu");
  const options = { maxGradNorm: 0.5 };
  const at = (step: number) => ({ step, learningRate: 0.01, emaDecay: 0.9 });
  const make = (ema: boolean) =>
    compileLossStep(device, {
      specs: SPECS,
      optimizer: options,
      ema,
      loss: (parameters, { x }) => ({
        loss: tf.mean(tf.square(denoise(parameters, { x: x! }))) as tf.Scalar,
      }),
    });
  const batch = { x: float32(randomStream(4).normal(20), [4, 5]) };
  const initial = () => initParameters(SPECS, randomStream(0));
  const [copied, started, bare] = [make(true), make(true), make(false)];
  let [one, other, third] = [
    initialState(adamW(options)),
    started.start(initial()),
    bare.start(initial()),
  ];
  for (let count = 1; count <= 2; count++) {
    ({ state: one } = await copied(one, batch, at(count)));
    ({ state: other } = await started(other, batch, at(count)));
    ({ state: third } = await bare(third, batch, at(count)));
  }
  assertEquals([...other.parameters.data], [...one.parameters.data]);
  assertEquals([...other.ema.data], [...one.ema.data]);
  assertEquals([...third.parameters.data], [...one.parameters.data]);
  assertEquals([...third.ema.data], [...third.parameters.data]);
  // Starting again forgets what was learned.
  const again = started.start(initial());
  assertEquals([...again.parameters.data], [...initialState(adamW(options)).parameters.data]);
  assertEquals([...again.ema.data], [...again.parameters.data]);
  assertEquals([...again.optimizer["variance"]!.data], Array(72).fill(0));
});
