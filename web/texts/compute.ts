/** Samples hotel reviews: latents step by step, decoded to texts. */
import type { HostArray } from "../../engine/tree.ts";
import { int32 } from "../../engine/tree.ts";
import { randomStream } from "../../nn/random.ts";
import { loadTextVae } from "../../text/autoencoder/checkpoint.ts";
import { loadTextDenoiser } from "../../text/denoiser/checkpoint.ts";
import { CONDITION } from "../../text/denoiser/network.ts";
import { compileLatentSampler, decodeLatents, finalSigmaOf } from "../../text/sampling/latents.ts";
import type { SamplingConfig } from "../../text/settings.ts";
import { compileTextCodec } from "../../vae/text_codec.ts";
import { openModel } from "../models.ts";
import type { Context, Emit } from "../protocol.ts";

export interface ReviewRequest {
  /** From 1 to 5. */
  readonly rating: number;
  readonly seed: number;
  readonly steps: number;
  readonly guidance: number;
  /** The number of reviews. */
  readonly count: number;
}

/** The reviews that a step predicts. */
export interface ReviewStep {
  /** The number of the last event. */
  readonly shown: number;
  readonly texts: readonly string[];
}

/** The settings of `deno task text --sample-only`; a test compares the texts. */
const SAMPLING: SamplingConfig = {
  ...{ sampler: "ddim", sampleSteps: 50, guidance: 25, eta: 0, dynamicThreshold: 0 },
  ...{ temperature: 1, finalSigma: 2.5, decodingTemperature: 0.3 },
  ...{ samples: 2, votes: 1, sampleBatchSize: 25, trajectory: false },
};

/** Predictions that are decoded before the last one: decoding takes longer than a step. */
const SHOWN = 8;

/** Samples reviews as `deno task text --sample-only` does, and emits some steps and the result. */
export async function writeReviews(
  { device, report }: Context,
  { rating, seed, steps, guidance, count }: ReviewRequest,
  emit: Emit<ReviewStep>,
): Promise<{ readonly seconds: number }> {
  const vae = await openModel("hotel-reviews", report, loadTextVae);
  const model = await openModel("hotel-reviews/diffusion", report, loadTextDenoiser);
  const started = performance.now();
  const finalSigma = finalSigmaOf(SAMPLING.finalSigma, vae.config, model.scale);
  const settings = { ...SAMPLING, sampleSteps: steps, guidance, finalSigma };
  const codec = compileTextCodec(device, vae, vae.tokenizer.id("eos"));
  const sampler = compileLatentSampler(device, model, settings);
  const random = randomStream(seed).stream("sampling").stream("samples");
  const numbers = Array.from({ length: count }, (_, i) => i);
  const decode = async (latents: HostArray) => {
    const options = { temperature: settings.decodingTemperature, numbers, random };
    const source = { codec, ...vae, scale: model.scale };
    const texts = await decodeLatents(latents, vae.config.latents, source, options);
    return texts.map(([text = ""]) => text);
  };
  const predictions: { step: number; latents: HostArray }[] = [];
  const latents = await sampler.sample({
    condition: { [CONDITION.classLabels]: int32(numbers.map(() => rating - 1)) },
    numbers,
    random,
  }, (predicted) => {
    const step = predictions.length;
    predictions.push({ step, latents: predicted });
    report({ text: `Step ${step + 1} of at most ${steps}` });
  });
  const total = predictions.length;
  const stride = Math.ceil(total / SHOWN);
  const some = predictions.filter(({ step }) => step % stride === 0);
  for (const { latents } of some) emit({ shown: some.length, texts: await decode(latents) });
  emit({ shown: some.length, texts: await decode(latents) });
  report({ text: "The reviews are complete" });
  await sampler.dispose();
  await codec.dispose();
  return { seconds: (performance.now() - started) / 1000 };
}
