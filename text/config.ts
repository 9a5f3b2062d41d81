/** The model that the autoencoder's settings describe, and checks of these settings. */
import { usageError } from "../base/errors.ts";
import { MAKES_LATENTS } from "./autoencoder/checkpoint.ts";
import { checkTextVaeConfig, foldOf, type TextVaeConfig } from "../vae/text_vae_config.ts";
import type { TextConfig, TextFlags } from "./settings.ts";

/** Refuses combinations of settings that make no sense. */
export function checkTextConsistency(config: TextConfig, given: TextFlags = {}): void {
  const { evalEvery, logEvery, latentKind, corruption } = config;
  if (evalEvery % logEvery !== 0) {
    throw usageError(`--eval-every ${evalEvery} must be a multiple of --log-every ${logEvery}.`);
  }
  if (config.batchSize % config.accumulate !== 0) {
    throw usageError(
      `--batch-size ${config.batchSize} must be a multiple of --accumulate ${config.accumulate}.`,
    );
  }
  const { freeze } = config;
  const isEncoderFrozen = freeze === "encoder" || freeze === "latents";
  if (config.encoderLearningRate !== undefined && isEncoderFrozen) {
    throw usageError(
      `--encoder-learning-rate is not for --freeze ${freeze}, which does not train the encoder.`,
    );
  }
  for (
    const [half, width, heads] of [
      ["encoder", config.encoderWidth, config.encoderHeads],
      ["decoder", config.decoderWidth, config.decoderHeads],
    ] as const
  ) {
    if (width % heads === 0) continue;
    throw usageError(
      `--${half}-width ${width} must be a multiple of --${half}-heads ${heads}, which share it.`,
    );
  }
  const only = (flag: string, value: number | undefined, fits: boolean, where: string) => {
    if (value === undefined || value === 0 || fits) return;
    throw usageError(`--${flag} ${value} is for ${where}.`);
  };
  only("beta", given.beta, latentKind === "kl", `--latent-kind kl, not ${latentKind}`);
  only("free-bits", given.freeBits, latentKind === "kl", `--latent-kind kl, not ${latentKind}`);
  only(
    "noise-deviation",
    given.noiseDeviation,
    latentKind !== "kl",
    "--latent-kind noise or l2: kl learns its own",
  );
  if (given.noisePerText === "uniform" && latentKind === "kl") {
    throw usageError(
      "--noise-per-text uniform is for --latent-kind noise or l2: kl learns its own.",
    );
  }
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
  return (name) => {
    if (FROZEN[freeze].test(name)) return 0;
    return name.startsWith("encoder.") ? encoderLearningRate / learningRate : 1;
  };
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
  const { encoderWidth, decoderWidth } = config;
  const shape = { latents, latentWidth, latentKind, latentSource, maxTokens };
  const before = latentSource === "tokens" ? latents : 0;
  // A text shorter than k is padded to k positions, from which its latents are read.
  const read = Math.max(maxTokens + 2, latentSource === "first" ? latents : 0);
  const model: TextVaeConfig = {
    ...shape,
    encoder: {
      vocabSize,
      hiddenSize: encoderWidth,
      intermediateSize: 4 * encoderWidth,
      numHiddenLayers: config.encoderLayers,
      numAttentionHeads: config.encoderHeads,
      maxPositionEmbeddings: before + read,
      typeVocabSize: 1,
      layerNormEps: 1e-12,
      initializerRange,
    },
    decoder: {
      vocabSize,
      nEmbd: decoderWidth,
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
