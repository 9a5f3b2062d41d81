/** A small denoiser of points in the plane. two_moons.ts and the web page train it. */
import { flowBatch } from "../diffusion/flow_matching.ts";
import { diffusionBatch } from "../diffusion/objective.ts";
import type { Denoiser } from "../diffusion/samplers/types.ts";
import type { NoiseSchedule } from "../diffusion/schedules.ts";
import { drawTimesteps } from "../diffusion/timestep_sampling.ts";
import type { Device } from "../engine/device_of.ts";
import * as tf from "../engine/tf.ts";
import { float32, type HostArray } from "../engine/tree.ts";
import { silu } from "../nn/activations.ts";
import { linear, linearSpecs } from "../nn/layers.ts";
import {
  type HostParameters,
  initParameters,
  type Parameters,
  type ParameterSpecs,
  unravel,
} from "../nn/parameters.ts";
import type { RandomStream } from "../nn/random.ts";
import { timestepEmbedding } from "../nn/timestep_embedding.ts";
import { denoiserLoss } from "../training/denoiser_loss.ts";
import { compileTrainStep } from "../training/step.ts";

/** T. */
export const TIMESTEPS = 100;
const BATCH = 256;
const WIDTHS = [2 + 32, 128, 128, 128, 2];
const LAYERS = ["0", "1", "2", "3"];
const SPECS: ParameterSpecs = Object.assign(
  {},
  ...LAYERS.map((name, i) => linearSpecs(name, WIDTHS[i]!, WIDTHS[i + 1]!)),
);

/** Predicts what the schedule says, or a flow's velocity, of points x [B, 2] at timesteps t [B]. */
function network(p: Parameters, x: tf.Tensor, t: tf.Tensor1D): tf.Tensor {
  const input = tf.concat([tf.mul(x, 4), timestepEmbedding(t, 32, { maxPeriod: TIMESTEPS })], 1);
  return LAYERS.reduce((h, name, i) => linear(p, name, i === 0 ? h : silu(h)), input);
}

export interface PlaneTraining {
  /** Undefined for flow matching. */
  readonly schedule: NoiseSchedule | undefined;
  /** Points to train on [BATCH, 2], of numbers in [0, 1). */
  readonly points: (uniform: Float32Array) => number[];
  readonly steps: number;
  readonly learningRate: number;
  readonly random: RandomStream;
}

/** Trains, and yields the loss of each step. @returns The averaged weights. */
export async function* trainPlane(
  device: Device,
  { schedule, points, steps, learningRate, random }: PlaneTraining,
): AsyncGenerator<number, HostParameters> {
  const loss = denoiserLoss((p, { x, timesteps }) => network(p, x, timesteps));
  const trainStep = compileTrainStep(device, { specs: SPECS, optimizer: {}, loss });
  let state = trainStep.start(initParameters(SPECS, random));
  for (let step = 1; step <= steps; step++) {
    const draw = random.at(step);
    const x0 = float32(points(draw.uniform(BATCH)), [BATCH, 2]);
    const noise = draw.normal(2 * BATCH);
    const batch = schedule === undefined
      ? flowBatch({ x0, noise, times: draw.uniform(BATCH), numTrainTimesteps: TIMESTEPS })
      : diffusionBatch(schedule, { x0, noise, timesteps: drawTimesteps(draw, BATCH, TIMESTEPS) });
    const result = await trainStep(state, batch, { step, learningRate, emaDecay: 0.99 });
    state = result.state;
    yield result.loss;
  }
  const averaged = unravel({ ...state.ema, data: state.ema.data.slice() }, SPECS);
  await trainStep.dispose();
  return averaged;
}

/** A trained network, compiled for points of any number. */
export function compilePlane(
  device: Device,
  p: HostParameters,
): { readonly denoise: Denoiser; dispose(): Promise<void> } {
  type Inputs = { p: HostParameters; x: HostArray; t: HostArray };
  const compiled = device.compile<Inputs, HostArray>(({ p, x, t }) =>
    network(p, x, t as tf.Tensor1D)
  );
  const denoise: Denoiser = async (x, timestep) => {
    const count = x.length / 2;
    const t = float32(new Float32Array(count).fill(timestep));
    return (await compiled({ p, x: float32(x, [count, 2]), t })).data as Float32Array;
  };
  return { denoise, dispose: () => compiled.dispose() };
}
