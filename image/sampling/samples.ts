/** Drawing many samples from a network. */
import { toPixels } from "../../datasets/pixels.ts";
import {
  lastSample,
  type SamplerOptions,
  type SamplerStep,
} from "../../diffusion/samplers/types.ts";
import {
  type FlowSamplerName,
  type SamplerName,
  samplerOf,
} from "../../diffusion/samplers/registry.ts";
import type { NoiseSchedule } from "../../diffusion/schedules.ts";
import {
  describeNetwork,
  type ImageNetworkConfig,
} from "../../diffusion/networks/image_network.ts";
import type { Device } from "../../engine/device.ts";
import type { HostParameters } from "../../nn/parameters.ts";
import { noiseOf, type RandomStream } from "../../nn/random.ts";
import { evaluationsOf, openSampling } from "./session.ts";

/** Samples of a batch after a step. */
export interface SampledStep {
  /** Steps done; 0 for the noise that they start from. */
  readonly step: number;
  /** The number of the batch's first sample. */
  readonly first: number;
  /** The samples [B, H, W, C]. */
  readonly samples: Float32Array;
}

/** What is sampled, and how. */
export interface DrawOptions {
  /** The weights. */
  readonly parameters: HostParameters;
  /** The network. */
  readonly config: ImageNetworkConfig;
  /** The images' channels: see describeNetwork. @default what the network's channels say */
  readonly channels?: number;
  /** The schedule that it was trained with; for flow_euler, only its T counts. */
  readonly schedule: NoiseSchedule;
  /** The sampler; flow_euler for a model of a flow, and for no other. */
  readonly sampler: SamplerName | FlowSamplerName;
  /** Its options; the noise is this function's business. */
  readonly samplerOptions: Omit<SamplerOptions, "noise">;
  /** The class of each sample [count]; of an unconditional model only the number counts. */
  readonly labels: Int32Array;
  /** The label that stands for none, if the model was trained with one. */
  readonly nullClass: number | undefined;
  /** Classifier-free guidance; 1 for none. */
  readonly guidanceScale: number;
  /** How much of the contrast that guidance adds is taken back, in [0, 1]. @default 0 */
  readonly guidanceRescale?: number;
  /** The first and the last timestep, low and high, that are guided. @default all of them */
  readonly guidanceInterval?: readonly [low: number, high: number];
  /** Sample i depends on this and on i alone, however many are drawn. */
  readonly random: RandomStream;
  /** Samples that are drawn together. @default 80 */
  readonly batchSize?: number;
  /** Is told how many of how many evaluations of the network are done. */
  readonly onProgress?: (done: number, total: number) => void;
  /** Is shown every batch after every step, and before the first. */
  readonly onStep?: (step: SampledStep) => void;
}

/** Passes steps on and shows them. */
async function* shown(
  steps: AsyncIterable<SamplerStep>,
  show: (step: SamplerStep) => void,
): AsyncGenerator<SamplerStep> {
  for await (const step of steps) {
    show(step);
    yield step;
  }
}

/**
 * Draws samples.
 *
 * @returns Pixels [count, H, W, C], 0 to 255.
 */
export async function drawSamples(
  device: Device,
  { sampler, samplerOptions, labels, random, batchSize = 80, onProgress, onStep, ...model }:
    DrawOptions,
): Promise<Uint8Array> {
  const { schedule } = model;
  const { height, width, channels } = describeNetwork(model.config, model.channels);
  const size = height * width * channels;
  const pixels = new Uint8Array(labels.length * size);
  const { timesteps, numInferenceSteps = timesteps?.length ?? schedule.numTrainTimesteps } =
    samplerOptions;
  const total = Math.ceil(labels.length / batchSize) * evaluationsOf(sampler, numInferenceSteps);
  let done = 0;
  const options = { ...model, sampler, samplerOptions };
  await using session = openSampling(device, options, () => onProgress?.(++done, total));
  for (let start = 0; start < labels.length; start += batchSize) {
    const part = labels.slice(start, start + batchSize);
    const noiseAt = noiseOf(random, Array.from(part, (_, i) => start + i), size);
    onStep?.({ step: 0, first: start, samples: noiseAt(0) });
    const trajectory = samplerOf(sampler)(session.denoiser(part), noiseAt(0), schedule, {
      ...samplerOptions,
      channels,
      noise: (_length, step) => noiseAt(step + 1), // 0 was the start
    });
    const steps = shown(
      trajectory,
      ({ step, sample }) => onStep?.({ step: step + 1, first: start, samples: sample }),
    );
    pixels.set(toPixels(await lastSample(steps)), start * size);
  }
  return pixels;
}
