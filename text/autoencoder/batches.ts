/** The training and validation batches of a text VAE. */
import { float32, type HostArray } from "../../engine/tree.ts";
import type { RandomStream } from "../../nn/random.ts";
import {
  evaluationTextBatches,
  exampleLength,
  type TextBatch,
  trainingTextBatches,
} from "../../vae/batches.ts";
import { bucketLengths } from "../../vae/buckets.ts";
import { inputCorruption } from "../../vae/corruption.ts";
import { randomTexts } from "../../vae/random_texts.ts";
import { batchPositions, type TextVaeConfig } from "../../vae/text_vae_config.ts";
import type { TextTokenizer } from "../../vae/tokenizer/tokenizer.ts";
import type { TextExample } from "../../vae/tokenizer/texts.ts";
import type { TextConfig } from "../settings.ts";

/** A training batch: see textVaeLoss. */
export type TextVaeArrays = TextBatch["arrays"] & { readonly noise: HostArray };

/**
 * The settings of the first steps, which only train copying. Half of the texts are random, and half of the
 * decoder's previous tokens are wrong, so guessing helps little. Latents have no noise, and the encoder's
 * input has no corruption.
 */
const PRACTICE = { randomTexts: 0.5, corruption: "none", decoderCorruption: 0.5 } as const;

/**
 * The factor of the noise at a step: 0 in the copy steps, then rising to 1 over the same number of steps.
 * Full noise at once is too much for a decoder that was trained without noise.
 */
export function noiseFactor(step: number, copySteps: number): number {
  return copySteps === 0 ? 1 : Math.min(1, Math.max(0, (step - copySteps) / copySteps));
}

export function textVaeBatches({ train, validation, model, config, random, ...tokenizers }: {
  readonly train: readonly TextExample[];
  readonly validation: readonly TextExample[];
  readonly tokenizer: TextTokenizer;
  readonly encoderTokenizer: TextTokenizer;
  readonly model: TextVaeConfig;
  readonly config: TextConfig;
  readonly random: RandomStream;
}) {
  const { batchSize, latents, latentWidth } = config;
  const { tokenizer, encoderTokenizer } = tokenizers;
  const lengths = [...train, ...validation].map(exampleLength);
  const buckets = bucketLengths(lengths, batchPositions(model));
  const padId = encoderTokenizer.id("pad");
  const padding = { batchSize, buckets, padId, endId: tokenizer.id("eos") };
  const batchesOf = (settings: Pick<TextConfig, keyof typeof PRACTICE>) =>
    trainingTextBatches(train, random, {
      ...padding,
      replace: randomTexts({
        share: settings.randomTexts,
        examples: train,
        vocabSize: tokenizer.vocabSize,
        specialIds: tokenizer.specialIds,
      }),
      corrupt: inputCorruption({
        vocabSize: encoderTokenizer.vocabSize,
        specialIds: encoderTokenizer.specialIds,
        maskId: encoderTokenizer.id("mask"),
        kind: settings.corruption,
        ratio: config.corruptionRatio,
        ratioPerText: config.corruptionPerText,
      }),
      corruptDecoder: inputCorruption({
        vocabSize: tokenizer.vocabSize,
        specialIds: tokenizer.specialIds,
        kind: settings.decoderCorruption === 0 ? "none" : "substitute",
        ratio: settings.decoderCorruption,
      }),
    });
  const [practice, batches] = [batchesOf(PRACTICE), batchesOf(config)];
  const noise = random.stream("latent noise");
  const perText = latents * latentWidth;
  return {
    buckets,
    /** The batch of a step, counted from 0: a pure function. */
    batchAt: (step: number): { readonly batch: TextVaeArrays } => {
      const { arrays } = (step < config.copySteps ? practice : batches).at(step);
      const factor = noiseFactor(step, config.copySteps);
      const stream = noise.at(step);
      const ofText = config.noisePerText === "uniform"
        ? stream.stream("deviation").uniform(batchSize)
        : new Float32Array(batchSize).fill(1);
      const values = stream.normal(batchSize * perText)
        .map((value, i) => value * factor * ofText[Math.floor(i / perText)]!);
      return {
        batch: { ...arrays, noise: float32(values, [batchSize, latents, latentWidth]) },
      };
    },
    heldOut: evaluationTextBatches(validation.slice(0, config.validationSize), padding),
  };
}
