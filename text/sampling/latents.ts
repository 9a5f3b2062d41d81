/** Drawing latents of texts from a denoiser, and saying them. */
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
import type { TextSamplingConfig } from "../denoiser_flags.ts";
import { denormalizeLatents, type LatentScale } from "../denoiser/latents.ts";
import type { DecodingMethod } from "../../vae/latent_decoder.ts";
import type { TextCodec } from "../../vae/text_codec.ts";
import type { TextVaeConfig } from "../../vae/text_vae_config.ts";
import type { TextTokenizer } from "../../vae/tokenizer/tokenizer.ts";

/** What is drawn, and from what. */
export interface DrawLatentsRequest {
  /** The condition by name. */
  readonly condition: Readonly<Record<string, HostArray>>;
  /** Clean blocks in front of those that are drawn [B, n k, d]. @default none */
  readonly given?: HostArray;
  /** The samples' numbers [B]: each depends on the stream and on its own number alone. */
  readonly numbers: readonly number[];
  /** The stream. */
  readonly random: RandomStream;
}

/** A denoiser to draw from. */
export interface LatentSampler {
  /**
   * Draws latents, normalised.
   *
   * @param onStep Is told of the clean latents [B, M, d] that each step implies.
   * @returns [B, M, d], M being the vectors that are not given.
   */
  draw(
    request: DrawLatentsRequest,
    onStep?: (predicted: HostArray, timestep: number) => void,
  ): Promise<HostArray>;
  /** Releases its graphs. */
  dispose(): Promise<void>;
}

/** What a sampler is told, but for its noise. */
export function textSamplerOptions(
  { sampleSteps, eta, dynamicThreshold: quantile }: TextSamplingConfig,
  { range }: Pick<LatentScale, "range">,
  sampleSize: number,
): SamplerOptions {
  return {
    numInferenceSteps: sampleSteps,
    timestepSpacing: "trailing", // it starts where there is nothing but noise
    previousTimestep: "next",
    eta,
    clipSample: false, // latents have no bounds
    ...(quantile === 0 ? {} : {
      // Thresholds are about samples in [-1, 1]: of latents, that is what nearly all stay within.
      constrainX0: (x0) =>
        dynamicThreshold(x0.map((value) => value / range), {
          sampleSize,
          dynamicThresholdingRatio: quantile,
        }).map((value) => value * range),
    }),
  };
}

/**
 * The noise over data that may be left when sampling ends: what was asked for, but not more than the
 * decoder was trained with.
 */
export function finalSigmaOf(
  finalSigma: number,
  { decoderNoise = 0 }: Pick<TextVaeConfig, "decoderNoise">,
  { deviation }: Pick<LatentScale, "deviation">,
): number {
  const power = deviation.reduce((sum, value) => sum + value ** 2, 0) / deviation.length;
  return Math.min(finalSigma, decoderNoise / Math.sqrt(power));
}

/** Compiles a denoiser for drawing. */
export function compileLatentSampler(
  device: Device,
  model: TextDenoiserModel,
  config: TextSamplingConfig,
): LatentSampler {
  const { schedule, isFlow, scale } = model;
  const compiled = compileTextDenoiser(device, model.parameters, model.config);
  const width = latentWidthOf(model.config);
  const vectors = model.config.dit.sampleSize;
  const { numTrainTimesteps } = schedule;
  const x0Source = isFlow ? flowX0Coefficients(numTrainTimesteps) : schedule;
  const leftAt = isFlow ? flowNoiseLeft(numTrainTimesteps) : noiseLeft(schedule);
  const draw: LatentSampler["draw"] = async (
    { condition, given, numbers, random },
    onStep,
  ) => {
    const made = vectors - (given?.shape[1] ?? 0);
    const size = made * width;
    const shape = [numbers.length, made, width];
    const noiseAt = noiseOf(random, numbers, size);
    const noise = (draw: number) => noiseAt(draw).map((value) => value * config.temperature);
    const denoise = await compiled.condition({
      ...{ condition, given, x0Source },
      guidanceScale: config.guidance,
    });
    const steps = samplerOf(config.sampler)(denoise, noise(0), schedule, {
      ...textSamplerOptions(config, scale, size),
      noise: (_length, step) => noise(step + 1), // 0 was the start
    });
    let last = new Float32Array(0);
    for await (
      const { sample, predictedX0, timestep } of stopAtSigma(steps, leftAt, config.finalSigma)
    ) {
      last = Float32Array.from(sample);
      onStep?.(float32(predictedX0, shape), timestep);
    }
    return float32(last, shape);
  };
  return { draw, dispose: () => compiled.dispose() };
}

/** How latents are said. */
export interface SayingOptions {
  /** The temperature of the decoder's tokens; 0 for the likeliest. */
  readonly temperature: number;
  /** The samples' numbers [B]: what each says depends on the stream and on its own number alone. */
  readonly numbers: readonly number[];
  /** The stream. */
  readonly random: RandomStream;
}

/**
 * Says latents, block by block.
 *
 * @param latents Normalised [B, blocks * k, d].
 * @param perBlock k.
 * @param options The likeliest tokens by default.
 * @returns Of each sample its blocks' texts.
 */
export async function decodeLatents(
  latents: HostArray,
  perBlock: number,
  { codec, tokenizer, scale }: {
    readonly codec: Pick<TextCodec, "decode">;
    readonly tokenizer: Pick<TextTokenizer, "decode">;
    readonly scale: LatentScale;
  },
  options?: SayingOptions,
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
  const texts = await codec.decode(float32(raw.data as Float32Array, shape), method);
  const said = texts.map((ids) => tokenizer.decode(ids));
  return Array.from({ length: batch }, (_, i) => said.slice(i * blocks, (i + 1) * blocks));
}
