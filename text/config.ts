/** The model that the autoencoder's settings describe, and checks of these settings. */
import { usageError } from "../base/errors.ts";
import { MAKES_LATENTS } from "./autoencoder/checkpoint.ts";
import { checkTextVaeConfig, foldOf, type TextVaeConfig } from "../vae/text_vae_config.ts";
import type { TextConfig, TextFlags } from "./settings.ts";

/** Refuses a combination of settings. @throws {UserError} With exit code 2. */
export function refuse(wrong: boolean, message: string): void {
  if (wrong) throw usageError(message);
}

/** Refuses combinations of settings that make no sense. */
export function checkTextConsistency(config: TextConfig, given: TextFlags = {}): void {
  const { evalEvery, logEvery, batchSize, accumulate, freeze, latentKind, corruption } = config;
  refuse(
    evalEvery % logEvery !== 0,
    `--eval-every ${evalEvery} must be a multiple of --log-every ${logEvery}.`,
  );
  refuse(
    batchSize % accumulate !== 0,
    `--batch-size ${batchSize} must be a multiple of --accumulate ${accumulate}.`,
  );
  refuse(
    config.encoderLearningRate !== undefined && (freeze === "encoder" || freeze === "latents"),
    `--encoder-learning-rate is not for --freeze ${freeze}, which does not train the encoder.`,
  );
  const checkHeads = (half: string, width: number, heads: number) =>
    refuse(
      width % heads !== 0,
      `--${half}-width ${width} must be a multiple of --${half}-heads ${heads}, which share it.`,
    );
  checkHeads("encoder", config.encoderWidth, config.encoderHeads);
  checkHeads("decoder", config.decoderWidth, config.decoderHeads);
  const only = (flag: string, value: number | undefined, fits: boolean, where: string) =>
    refuse(!!value && !fits, `--${flag} ${value} is for ${where}.`);
  const isKl = latentKind === "kl";
  const withNoise = "--latent-kind noise or l2: kl learns its own";
  only("beta", given.beta, isKl, `--latent-kind kl, not ${latentKind}`);
  only("free-bits", given.freeBits, isKl, `--latent-kind kl, not ${latentKind}`);
  only("noise-deviation", given.noiseDeviation, !isKl, withNoise);
  refuse(
    given.noisePerText === "uniform" && isKl,
    `--noise-per-text uniform is for ${withNoise}.`,
  );
  only("corruption-ratio", given.corruptionRatio, corruption !== "none", "--corruption not none");
}

const FROZEN: Readonly<Record<TextConfig["freeze"], RegExp>> = {
  none: /^$/,
  encoder: /^encoder\./,
  decoder: /^decoder\./,
  latents: MAKES_LATENTS,
};

/** The factor of the learning rate of a parameter; 0 freezes it. */
export function rateOfParameter(
  { freeze, learningRate, encoderLearningRate = learningRate }: Pick<
    TextConfig,
    "freeze" | "learningRate" | "encoderLearningRate"
  >,
): (name: string) => number {
  const ofEncoder = encoderLearningRate / learningRate;
  return (name) => FROZEN[freeze].test(name) ? 0 : name.startsWith("encoder.") ? ofEncoder : 1;
}

/** The deviation of the noise that a decoder is trained with; for kl, it depends on the latent. */
export function decoderNoiseOf(
  { latentKind, noiseDeviation }: Pick<TextConfig, "latentKind" | "noiseDeviation">,
): number {
  return latentKind === "kl" ? 0 : noiseDeviation;
}

/** The digits of both numbers of a multiplication, from text such as "4x4". */
export function digitsOf(digits: string): [number, number] {
  const [, n, m] = /^([1-9])x([1-9])$/.exec(digits) ?? [];
  if (n !== undefined && m !== undefined) return [Number(n), Number(m)];
  throw usageError(`--digits ${digits}: must be digits of both numbers, 1 to 9, such as 4x4.`);
}

/** The model that a configuration describes. The vocabulary may be smaller than its setting. */
export function textVaeConfigOf(
  config: TextConfig,
  vocabSize: number,
  published: Partial<Pick<TextVaeConfig, "encoder" | "decoder">> = {},
): TextVaeConfig {
  const { latents, latentWidth, latentKind, latentSource, maxTokens, initializerRange } = config;
  const shape = { latents, latentWidth, latentKind, latentSource, maxTokens };
  const before = latentSource === "tokens" ? latents : 0;
  // A text shorter than k is padded to k positions, from which its latents are read.
  const read = Math.max(maxTokens + 2, latentSource === "first" ? latents : 0);
  const model: TextVaeConfig = {
    ...shape,
    encoder: {
      vocabSize,
      hiddenSize: config.encoderWidth,
      intermediateSize: 4 * config.encoderWidth,
      numHiddenLayers: config.encoderLayers,
      numAttentionHeads: config.encoderHeads,
      maxPositionEmbeddings: before + read,
      typeVocabSize: 1,
      layerNormEps: 1e-12,
      initializerRange,
    },
    decoder: {
      vocabSize,
      nEmbd: config.decoderWidth,
      nPositions: Math.ceil(latents * foldOf(shape)) + read,
      nLayer: config.decoderLayers,
      nHead: config.decoderHeads,
      layerNormEpsilon: 1e-5,
      initializerRange,
    },
    ...published,
  };
  checkTextVaeConfig(model, { latents: "--latents", maxTokens: "--max-tokens" });
  return model;
}
