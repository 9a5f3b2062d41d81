/** Drawing many samples from a UNet. */
import { toPixels } from "../datasets/pixels.ts";
import { lastSample } from "../diffusion/samplers/last_sample.ts";
import { type SamplerName, samplers } from "../diffusion/samplers/registry.ts";
import type { SamplerOptions } from "../diffusion/samplers/types.ts";
import type { NoiseSchedule } from "../diffusion/schedules.ts";
import { sizeOfSample, type UNetConfig } from "../diffusion/unet_config.ts";
import { compileUNetDenoiser } from "../diffusion/unet_denoiser.ts";
import type { Device } from "../engine/device.ts";
import type { HostParameters } from "../nn/parameters.ts";
import type { RandomStream } from "../nn/random.ts";
import { breathe } from "../training/interrupt.ts";

/** What is sampled, and how. */
export interface DrawOptions {
  /** The weights. */
  readonly parameters: HostParameters;
  /** The network. */
  readonly config: UNetConfig;
  /** The schedule that it was trained with. */
  readonly schedule: NoiseSchedule;
  /** The sampler. */
  readonly sampler: SamplerName;
  /** Its options; the noise is this function's business. */
  readonly samplerOptions: Omit<SamplerOptions, "noise">;
  /** The class of each sample [count]; of an unconditional model only the number counts. */
  readonly labels: Int32Array;
  /** The label that stands for none, if the model was trained with one. */
  readonly nullClass: number | undefined;
  /** Classifier-free guidance; 1 for none. */
  readonly guidanceScale: number;
  /** Sample i depends on this and on i alone, however many are drawn. */
  readonly random: RandomStream;
  /** Samples that are drawn together. @default 80 */
  readonly batchSize?: number;
  /** Is told how many of how many evaluations of the network are done. */
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Draws samples.
 *
 * @returns Pixels [count, H, W, C], 0 to 255.
 */
export async function drawSamples(
  device: Device,
  { parameters, config, schedule, sampler, samplerOptions, ...options }: DrawOptions,
): Promise<Uint8Array> {
  const { labels, nullClass, guidanceScale, random, batchSize = 80, onProgress } = options;
  const [height, width] = sizeOfSample(config.sampleSize);
  const size = height * width * config.inChannels;
  const pixels = new Uint8Array(labels.length * size);
  const steps = samplerOptions.numInferenceSteps ?? schedule.numTrainTimesteps;
  const perBatch = sampler === "heun" ? 2 * steps - 1 : steps; // Heun asks twice a step but the last
  const total = Math.ceil(labels.length / batchSize) * perBatch;
  let done = 0;
  const denoiser = compileUNetDenoiser(device, parameters, config);
  try {
    for (let start = 0; start < labels.length; start += batchSize) {
      const classLabels = labels.slice(start, start + batchSize);
      const noiseAt = (step: number) => {
        const noise = new Float32Array(classLabels.length * size);
        classLabels.forEach((_, i) =>
          noise.set(random.at(start + i).at(step).normal(size), i * size)
        );
        return noise;
      };
      const denoise = denoiser.condition(
        config.numClassEmbeds === null ? {} : { classLabels, nullClass, guidanceScale },
      );
      const counted = async (x: Float32Array, timestep: number) => {
        const output = await denoise(x, timestep);
        await breathe();
        onProgress?.(++done, total);
        return output;
      };
      const trajectory = samplers[sampler](counted, noiseAt(0), schedule, {
        ...samplerOptions,
        noise: (_length, step) => noiseAt(step + 1), // 0 was the start
      });
      pixels.set(toPixels(await lastSample(trajectory)), start * size);
    }
    return pixels;
  } finally {
    await denoiser.dispose();
  }
}
