import { assertAlmostEquals } from "@std/assert";
import type { LossType } from "../../diffusion/loss.ts";
import {
  diffusionBatch,
  diffusionLosses,
  type TrainableDenoiser,
} from "../../diffusion/objective.ts";
import { noiseSchedule } from "../../diffusion/schedules.ts";
import { openDevice } from "../../engine/device.ts";
import * as tf from "../../engine/tf.ts";
import { float32 } from "../../engine/tree.ts";
import { randomStream } from "../../nn/random.ts";
import { denoiserLoss } from "../../training/denoiser_loss.ts";
import { compileTrainStep } from "../../training/step.ts";
import { assertAllClose } from "../assert_close.ts";
import { deviceWorks } from "../devices.ts";

const schedule = noiseSchedule({ numTrainTimesteps: 100 });
const specs = { scale: { shape: [1], initializer: { constant: 0 } } };
/** `scale x`: everything about its loss can be worked out by hand. */
const denoise: TrainableDenoiser = (parameters, { x }) => tf.mul(x, parameters["scale"]!);
const SCALE = 0.4;
const timesteps = Int32Array.of(10, 60, 99);
const x0 = randomStream(1).normal(12);
const noise = randomStream(2).normal(12);
const batch = diffusionBatch(schedule, {
  x0: float32(x0, [3, 4]),
  noise,
  timesteps,
  weights: Float64Array.from({ length: 100 }, (_, t) => 1 + t / 100),
});
const settings = { step: 1, learningRate: 0.1, emaDecay: 0.5 };

/** Distances and their derivatives, with delta 0.5 for Huber's. */
const BY_HAND: Record<LossType, (d: number) => [number, number]> = {
  mse: (d) => [d * d, 2 * d],
  l1: (d) => [Math.abs(d), Math.sign(d)],
  huber: (d) =>
    Math.abs(d) <= 0.5 ? [d * d / 2, d] : [0.5 * (Math.abs(d) - 0.25), 0.5 * Math.sign(d)],
};

for (const device of ["cpu", "onnx"] as const) {
  for (const lossType of ["mse", "l1", "huber"] as const) {
    Deno.test({
      name: `denoiserLoss() has the loss and the gradient of ${lossType} on ${device}`,
      ignore: !deviceWorks(device),
      fn: async () => {
        const step = compileTrainStep(await openDevice(device, { threads: 1 }), {
          specs,
          optimizer: { maxGradNorm: 1e9 },
          loss: denoiserLoss(
            denoise,
            (...given) => diffusionLosses(...given, { lossType, huberDelta: 0.5 }),
          ),
        });
        const state = step.start({ scale: float32([SCALE]) });
        const result = await step(state, batch, settings);
        await step.dispose();
        let [loss, gradient] = [0, 0];
        const losses = [0, 0, 0];
        for (let i = 0; i < 12; i++) {
          const example = Math.floor(i / 4);
          const a = schedule.alphasCumprod[timesteps[example]!]!;
          const x = Math.sqrt(a) * x0[i]! + Math.sqrt(1 - a) * noise[i]!;
          const [value, slope] = BY_HAND[lossType](SCALE * x - noise[i]!);
          const weight = 1 + timesteps[example]! / 100;
          losses[example]! += value / 4;
          loss += weight * value / 12;
          gradient += weight * slope * x / 12;
        }
        assertAlmostEquals(result.loss, loss, 1e-5);
        assertAlmostEquals(result.gradNorm, Math.abs(gradient), 1e-5);
        assertAllClose(result.figures.losses.data, losses, { atol: 1e-5, rtol: 0 });
        const weighted = losses.map((value, i) => (1 + timesteps[i]! / 100) * value);
        assertAllClose(result.figures.weighted.data, weighted, { atol: 1e-5, rtol: 0 });
        // Adam's first step is the learning rate long, and weight decay takes 0.1 * 0.01 of the rest.
        const moved = SCALE * (1 - 0.1 * 0.01) - 0.1 * Math.sign(gradient);
        assertAlmostEquals(result.state.parameters.data[0]!, moved, 1e-4);
        assertAlmostEquals(result.state.ema.data[0]!, (SCALE + moved) / 2, 1e-4);
      },
    });
  }
}
