/** Samples latents of texts with a denoiser, and decodes them. */
import { compileTextDenoiser } from "../denoiser/compiled.ts";
import { dynamicThreshold } from "../../diffusion/dynamic_threshold.ts";
import { flowX0Coefficients } from "../../diffusion/flow_matching.ts";
import { samplerOf } from "../../diffusion/samplers/registry.ts";
import { flowNoiseLeft, noiseLeft, stopAtSigma } from "../../diffusion/samplers/stop_at_sigma.ts";
import type { SamplerOptions } from "../../diffusion/samplers/types.ts";
import { latentWidthOf } from "../denoiser/network.ts";
import type { Device } from "../../engine/device.ts";
import { float32, type HostArray } from "../../engine/tree.ts";
import { noiseOf, type RandomStream } from "../../nn/random.ts";
import type { TextDenoiserModel } from "../denoiser/checkpoint.ts";
import type { SamplingConfig } from "../settings.ts";
import { denormalizeLatents, type LatentScale } from "../denoiser/latents.ts";
import type { DecodingMethod } from "../../vae/latent_decoder.ts";
import type { TextCodec } from "../../vae/text_codec.ts";
import type { TextVaeConfig } from "../../vae/text_vae_config.ts";
import type { TextTokenizer } from "../../vae/tokenizer/tokenizer.ts";

export interface LatentRequest {
  readonly condition: Readonly<Record<string, HostArray>>;
  /** Clean blocks in front of those that are sampled [B, n k, d]. @default none */
  readonly given?: HostArray | undefined;
  /** The numbers of the samples [B]: each sample depends only on the stream and on its own number. */
  readonly numbers: readonly number[];
  readonly random: RandomStream;
}

export interface LatentSampler {
  /**
   * Samples normalized latents.
   *
   * @param onStep Receives the clean latents [B, M, d] that each step predicts.
   * @returns [B, M, d] for the M vectors that are not given.
   */
  sample(
    request: LatentRequest,
    onStep?: (predicted: HostArray, timestep: number) => void,
  ): Promise<HostArray>;
  dispose(): Promise<void>;
}

/** The options of a sampler, except for its noise. */
export function textSamplerOptions(
  { sampleSteps, eta, dynamicThreshold: quantile }: SamplingConfig,
  { range }: Pick<LatentScale, "range">,
  sampleSize: number,
): SamplerOptions {
  return {
    numInferenceSteps: sampleSteps,
    timestepSpacing: "trailing", // it starts at pure noise
    previousTimestep: "next",
    eta,
    clipSample: false, // latents have no bounds
    ...(quantile === 0 ? {} : {
      // Thresholds are meant for samples in [-1, 1]: hence latents in units of their range.
      constrainX0: (x0) =>
        dynamicThreshold(x0.map((value) => value / range), {
          sampleSize,
          dynamicThresholdingRatio: quantile,
        }).map((value) => value * range),
    }),
  };
}

/** The ratio of noise to data at which sampling ends: at most what the decoder was trained with. */
export function finalSigmaOf(
  finalSigma: number,
  { decoderNoise = 0 }: Pick<TextVaeConfig, "decoderNoise">,
  { deviation }: Pick<LatentScale, "deviation">,
): number {
  const power = deviation.reduce((sum, value) => sum + value ** 2, 0) / deviation.length;
  return Math.min(finalSigma, decoderNoise / Math.sqrt(power));
}

export function compileLatentSampler(
  device: Device,
  model: TextDenoiserModel,
  config: SamplingConfig,
): LatentSampler {
  const { schedule, isFlow, scale } = model;
  const compiled = compileTextDenoiser(device, model.parameters, model.config);
  const width = latentWidthOf(model.config);
  const vectors = model.config.dit.sampleSize;
  const { numTrainTimesteps } = schedule;
  const x0Source = isFlow ? flowX0Coefficients(numTrainTimesteps) : schedule;
  const leftAt = isFlow ? flowNoiseLeft(numTrainTimesteps) : noiseLeft(schedule);
  const sample: LatentSampler["sample"] = async (
    { condition, given, numbers, random },
    onStep,
  ) => {
    const count = vectors - (given?.shape[1] ?? 0);
    const size = count * width;
    const shape = [numbers.length, count, width];
    const noiseAt = noiseOf(random, numbers, size);
    const noise = (index: number) => noiseAt(index).map((value) => value * config.temperature);
    const denoise = await compiled.condition({
      condition,
      given,
      x0Source,
      guidanceScale: config.guidance,
    });
    const steps = samplerOf(config.sampler)(denoise, noise(0), schedule, {
      ...textSamplerOptions(config, scale, size),
      noise: (_length, step) => noise(step + 1), // index 0 is the start
    });
    let last = new Float32Array(0);
    for await (
      const { sample: latents, predictedX0, timestep } of stopAtSigma(
        steps,
        leftAt,
        config.finalSigma,
      )
    ) {
      last = Float32Array.from(latents);
      onStep?.(float32(predictedX0, shape), timestep);
    }
    return float32(last, shape);
  };
  return { sample, dispose: () => compiled.dispose() };
}

export interface TextDecoding {
  readonly temperature: number; // of the decoder's tokens; 0 for greedy decoding
  /** The numbers of the samples [B]: each text depends only on the stream and on its own number. */
  readonly numbers: readonly number[];
  readonly random: RandomStream;
}

/**
 * Decodes normalized latents [B, blocks * k, d] block by block into texts [B][blocks], greedily by default.
 */
export async function decodeLatents(
  latents: HostArray,
  perBlock: number,
  { codec, tokenizer, scale }: {
    readonly codec: Pick<TextCodec, "decode">;
    readonly tokenizer: Pick<TextTokenizer, "decode">;
    readonly scale: LatentScale;
  },
  options?: TextDecoding,
): Promise<string[][]> {
  const [batch, vectors, width] = latents.shape as [number, number, number];
  const blocks = vectors / perBlock;
  const raw = denormalizeLatents(latents, scale);
  const shape = [batch * blocks, perBlock, width];
  const method: DecodingMethod = options === undefined || options.temperature === 0
    ? { method: "greedy" }
    : {
      method: "sample",
      temperature: options.temperature,
      keepEnd: true,
      random: options.random.stream("decoding"),
      numbers: options.numbers.flatMap((number) =>
        Array.from({ length: blocks }, (_, block) => number * blocks + block)
      ),
    };
  const decoded = await codec.decode(float32(raw.data as Float32Array, shape), method);
  const texts = decoded.map((ids) => tokenizer.decode(ids));
  return Array.from({ length: batch }, (_, i) => texts.slice(i * blocks, (i + 1) * blocks));
}
