/** Training of the tiny UNet on noise that stands for pictures: the same in every call. */
import { type DiffusionBatch, diffusionBatch, type TimedBatch } from "../../diffusion/objective.ts";
import { noiseSchedule } from "../../diffusion/schedules.ts";
import { type DeviceName, openDevice } from "../../engine/device.ts";
import { float32, int32 } from "../../engine/tree.ts";
import { randomStream } from "../../nn/random.ts";
import { denoiserLoss } from "../../training/denoiser_loss.ts";
import { compileTrainStep, type TrainState, type TrainStep } from "../../training/step.ts";
import { denoiseTiny, TINY_SPECS, untrained } from "../tiny_unet.ts";
import { stateFrom } from "./states.ts";

/** The schedule. */
export const SCHEDULE = noiseSchedule({
  numTrainTimesteps: 100,
  betaSchedule: "squaredcos_cap_v2",
  predictionType: "v_prediction",
});

/** AdamW as the programs use it. */
export const OPTIMIZER = { weightDecay: 0.01, maxGradNorm: 1 };

/** The state before the first step. */
export function initialState(): TrainState {
  return stateFrom(untrained(), TINY_SPECS);
}

/** The step, compiled for a device. */
export async function tinyTrainStep(
  device: DeviceName,
): Promise<TrainStep<DiffusionBatch, "losses" | "weighted">> {
  return compileTrainStep(await openDevice(device, { threads: 1 }), {
    specs: TINY_SPECS,
    optimizer: OPTIMIZER,
    loss: denoiserLoss(denoiseTiny),
  });
}

/** A batch of three pictures: bright or dark ones with some noise, by their class. */
export function batchAt(step: number): TimedBatch {
  const random = randomStream(11).at(step);
  const classes = random.stream("classes").integers(3, 0, 2);
  const timesteps = random.stream("timesteps").integers(3, 0, 100);
  const pixels = random.stream("pixels").normal(48)
    .map((z, i) => (classes[Math.floor(i / 16)] === 0 ? -0.5 : 0.5) + 0.1 * z);
  const batch = diffusionBatch(SCHEDULE, {
    x0: float32(pixels, [3, 4, 4, 1]),
    noise: random.stream("noise").normal(48),
    timesteps,
    condition: { classLabels: int32(classes) },
  });
  return { batch, timesteps };
}

/** A learning rate that rises and an average that lags. */
export function settingsAt(step: number): { learningRate: number; emaDecay: number } {
  return { learningRate: Math.min(1, (step + 1) / 4) * 5e-3, emaDecay: 0.8 };
}
