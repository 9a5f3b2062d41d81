/** Sizes and kinds of a text VAE. */
import { usageError } from "../base/errors.ts";
import type { BertConfig } from "./bert.ts";
import type { Gpt2Config } from "./gpt2.ts";

/**
 * What a latent is. `kl`: a Gaussian whose divergence from the standard normal is part of the loss
 * (PLANNER, Zhang et al. 2023, section 3.1). `noise`: the mean, with noise of a fixed deviation added in
 * training. `l2`: the mean, normalised to length sqrt(d) (LD4LG, Lovelace et al. 2023).
 */
export const LATENT_KINDS = ["kl", "noise", "l2"] as const;

/**
 * Where the latents are read. `first`: at the encoder's first k positions, which hold the text
 * (PLANNER). `tokens`: at its first k positions, which hold k [CLS] tokens put before the text.
 * `stretches`: latent j is a linear layer of all states in the j-th of k equal stretches of the text,
 * and the decoder reads it as one embedding a token of the stretch, as image models fold patches.
 * `resampler`: k learned queries attend to all states (LD4LG): see vae/resampler.ts.
 */
export const LATENT_SOURCES = ["first", "tokens", "stretches", "resampler"] as const;

/** A text VAE. */
export interface TextVaeConfig {
  /** The encoder. */
  readonly encoder: BertConfig;
  /** The decoder. */
  readonly decoder: Gpt2Config;
  /** Latent vectors a text: k. */
  readonly latents: number;
  /** Width of a latent vector: d. */
  readonly latentWidth: number;
  /** Tokens of a text at most, special ones not counted. */
  readonly maxTokens: number;
  /** What a latent is. */
  readonly latentKind: typeof LATENT_KINDS[number];
  /** Where the latents are read. */
  readonly latentSource: typeof LATENT_SOURCES[number];
  /** Deviation of the noise on latents that the decoder has learned to hear. @default 0 */
  readonly decoderNoise?: number;
}

/** Tokens of a text that are near one latent: what aligned position embeddings start from. */
export function stretchOf(
  { maxTokens, latents }: Pick<TextVaeConfig, "maxTokens" | "latents">,
): number {
  return maxTokens / latents;
}

/** Tokens whose states one latent is a linear layer of; 1 where it is read at one position. */
export function foldOf(
  config: Pick<TextVaeConfig, "latentSource" | "maxTokens" | "latents">,
): number {
  return config.latentSource === "stretches" ? stretchOf(config) : 1;
}

/** Embeddings that the decoder reads before the text. */
export function prefixLength(config: TextVaeConfig): number {
  return config.latents * foldOf(config);
}

/** The positions that a batch's texts may be padded to, which both halves must have, and must be. */
export function batchPositions(
  config: TextVaeConfig,
): { readonly maximum: number; readonly minimum?: number } {
  const { encoder, decoder, latents, latentSource } = config;
  const before = latentSource === "tokens" ? latents : 0;
  return {
    maximum: Math.min(
      encoder.maxPositionEmbeddings - before,
      decoder.nPositions - prefixLength(config),
    ),
    // Latents are read at the first positions, which have to be there.
    ...(latentSource === "first" ? { minimum: latents } : {}),
  };
}

/** Tokens that the encoder may be shown of a text, special ones not counted. */
export function encoderTokens(config: TextVaeConfig): number {
  return batchPositions(config).maximum - 2;
}

/**
 * Checks that the parts fit each other.
 *
 * @throws {UserError} Naming the sizes that do not.
 */
export function checkTextVaeConfig(config: TextVaeConfig): void {
  const { encoder, decoder, latents, maxTokens } = config;
  if (!Number.isInteger(foldOf(config))) {
    throw usageError(
      `${latents} latents cannot share ${maxTokens} tokens equally, which "stretches" needs: choose ` +
        "--latents that divides --max-tokens.",
    );
  }
  const before = config.latentSource === "tokens" ? latents : 0;
  const encoded = before + maxTokens + 2;
  if (encoded > encoder.maxPositionEmbeddings) {
    throw usageError(
      `Texts of ${maxTokens} tokens take ${encoded} positions of the encoder, which has ` +
        `${encoder.maxPositionEmbeddings}: lower --max-tokens or --latents.`,
    );
  }
  const prefix = prefixLength(config);
  const decoded = prefix + maxTokens + 1;
  if (decoded > decoder.nPositions) {
    throw usageError(
      `A prefix of ${prefix} and texts of ${maxTokens} tokens take ${decoded} positions of the decoder, ` +
        `which has ${decoder.nPositions}: lower --max-tokens or --latents.`,
    );
  }
}
