/** Generates images with a trained network: a sampler, a compiled denoiser and guidance. */
import { toPixels } from "../../datasets/pixels.ts";
import { flowX0Coefficients } from "../../diffusion/flow_matching.ts";
import type { Guidance } from "../../diffusion/guidance.ts";
import { compileImageDenoiser } from "../../diffusion/networks/image_denoiser.ts";
import {
  describeNetwork,
  type ImageNetworkConfig,
} from "../../diffusion/networks/image_network.ts";
import {
  type FlowSamplerName,
  isFlowSampler,
  type SamplerName,
  samplerOf,
} from "../../diffusion/samplers/registry.ts";
import {
  type Denoiser,
  lastSample,
  type SamplerOptions,
  type SamplerStep,
} from "../../diffusion/samplers/types.ts";
import type { NoiseSchedule } from "../../diffusion/schedules.ts";
import type { Device } from "../../engine/device.ts";
import type { HostParameters } from "../../nn/parameters.ts";
import { noiseOf, type RandomStream } from "../../nn/random.ts";

/** A model and everything that decides how images are sampled from it. */
export interface SamplingOptions {
  /** The weights. */
  readonly parameters: HostParameters;
  /** The network. */
  readonly config: ImageNetworkConfig;
  /** The images' channels: see describeNetwork. @default those of the network */
  readonly channels?: number | undefined;
  /** The schedule that the model was trained with; a flow uses only its T. */
  readonly schedule: NoiseSchedule;
  /** The sampler: flow_euler for a model trained by flow matching, another one for all others. */
  readonly sampler: SamplerName | FlowSamplerName;
  /** The sampler's options, except for the noise, which is a function of a random stream. */
  readonly samplerOptions: Omit<SamplerOptions, "noise">;
  /** The label of no class, if the model was trained with one. */
  readonly nullClass?: number | undefined;
  /** Classifier-free guidance; models without classes ignore it. @default none */
  readonly guidance?: Guidance | undefined;
}

/** A compiled model; disposing of it releases its graphs. */
export interface SamplingSession extends AsyncDisposable {
  /**
   * The guided denoiser for samples of these classes. It serves a single trajectory, since a model with
   * self-conditioning remembers its last estimate.
   *
   * @param labels The classes [B]; a model without classes ignores them.
   * @throws {UserError} If the model has no null class, which guidance needs.
   */
  denoiser(labels: Int32Array): Denoiser;
}

/**
 * Compiles a model for sampling.
 *
 * @param onEvaluation Called after each call of a denoiser.
 */
export function openSampling(
  device: Device,
  { parameters, config, channels, schedule, sampler, samplerOptions, nullClass, guidance }:
    SamplingOptions,
  onEvaluation: () => void = () => {},
): SamplingSession {
  const network = describeNetwork(config, channels);
  const compiled = compileImageDenoiser(device, { parameters, config }, channels);
  const hasClasses = network.numClassEmbeds !== null;
  const x0Source = isFlowSampler(sampler)
    ? flowX0Coefficients(schedule.numTrainTimesteps)
    : schedule;
  const keepVariance = sampler === "ddpm" && samplerOptions.varianceType === "learned_range";
  return {
    denoiser: (labels) => {
      const classLabels = hasClasses ? labels : undefined;
      const denoise = compiled.condition({
        classLabels,
        nullClass,
        guidance,
        x0Source,
        keepVariance,
      });
      return async (x, timestep) => {
        const output = await denoise(x, timestep);
        onEvaluation();
        return output;
      };
    },
    [Symbol.asyncDispose]: () => compiled.dispose(),
  };
}

/** The denoiser calls of a sampler: Heun's method makes two per step, except for the last. */
export function evaluationsOf(sampler: SamplerName | FlowSamplerName, steps: number): number {
  return sampler === "heun" ? 2 * steps - 1 : steps;
}

/** The samples of a batch after a step. */
export interface SampledStep {
  /** Steps done; 0 for the initial noise. */
  readonly step: number;
  /** The index of the batch's first sample. */
  readonly first: number;
  /** The samples [B, H, W, C]. */
  readonly samples: Float32Array;
}

/** Which samples {@linkcode drawSamples} generates. */
export interface SampleRequest {
  /** The class of each sample [N]; a model without classes uses only their number. */
  readonly labels: Int32Array;
  /** Sample i is a function of this stream and of i, whatever the batch size. */
  readonly random: RandomStream;
  /** Samples per batch. @default {80} */
  readonly batchSize?: number | undefined;
  /** Called after each evaluation of the network. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  /** Called with each batch before the first step and after every step. */
  readonly onStep?: ((step: SampledStep) => void) | undefined;
}

/**
 * Generates samples, batch by batch.
 *
 * @returns Pixels [N, H, W, C], 0 to 255.
 * @throws {UserError} If the model has no null class, which guidance needs, or gives numbers that are not
 * finite.
 *
 * @example Three bags by DPM-Solver++ with guidance
 * ```ts
 * import {
 *   drawSamples,
 *   loadCheckpoint,
 *   loadImageModel,
 *   openDevice,
 *   randomStream,
 * } from "@nanodiffusion/nanodiffusion";
 *
 * await using device = await openDevice("onnx");
 * const model = loadImageModel(await loadCheckpoint("checkpoints/fashion-mnist"));
 * const pixels = await drawSamples(device, {
 *   ...model,
 *   sampler: "dpmpp_multistep",
 *   samplerOptions: { numInferenceSteps: 4 },
 *   nullClass: 10,
 *   guidance: { guidanceScale: 2 },
 * }, { labels: Int32Array.of(8, 8, 8), random: randomStream(0) });
 * console.assert(pixels.length === 3 * 28 * 28);
 * ```
 */
export async function drawSamples(
  device: Device,
  options: SamplingOptions,
  { labels, random, batchSize = 80, onProgress, onStep }: SampleRequest,
): Promise<Uint8Array> {
  const { schedule, sampler, samplerOptions } = options;
  const { height, width, channels } = describeNetwork(options.config, options.channels);
  const size = height * width * channels;
  const pixels = new Uint8Array(labels.length * size);
  const { timesteps, numInferenceSteps = timesteps?.length ?? schedule.numTrainTimesteps } =
    samplerOptions;
  const total = Math.ceil(labels.length / batchSize) * evaluationsOf(sampler, numInferenceSteps);
  let done = 0;
  await using session = openSampling(device, options, () => onProgress?.(++done, total));
  for (let first = 0; first < labels.length; first += batchSize) {
    const batch = labels.slice(first, first + batchSize);
    const noiseAt = noiseOf(random, Array.from(batch, (_, i) => first + i), size);
    onStep?.({ step: 0, first, samples: noiseAt(0) });
    const trajectory = samplerOf(sampler)(session.denoiser(batch), noiseAt(0), schedule, {
      ...samplerOptions,
      channels,
      noise: (_length, step) => noiseAt(step + 1), // 0 is the initial noise
    });
    const steps = tap(
      trajectory,
      ({ step, sample }) => onStep?.({ step: step + 1, first, samples: sample }),
    );
    pixels.set(toPixels(await lastSample(steps)), first * size);
  }
  return pixels;
}

/** Yields the steps, after calling a function with each. */
async function* tap(
  steps: AsyncIterable<SamplerStep>,
  show: (step: SamplerStep) => void,
): AsyncGenerator<SamplerStep> {
  for await (const step of steps) {
    show(step);
    yield step;
  }
}
