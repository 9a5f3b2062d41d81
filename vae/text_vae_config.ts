/** The configuration of a text VAE. */
import { usageError } from "../base/errors.ts";
import type { BertConfig } from "./bert.ts";
import type { Gpt2Config } from "./gpt2.ts";

/**
 * The kinds of latents. `kl`: a Gaussian whose divergence from the standard normal is part of the loss
 * (PLANNER, Zhang et al. 2023, section 3.1). `noise`: a mean; training adds noise of a fixed deviation.
 * `l2`: a mean that is normalised to length sqrt(d) (LD4LG, Lovelace et al. 2023).
 */
export const LATENT_KINDS = ["kl", "noise", "l2"] as const;

/**
 * The encoder states that latents are made from. `first`: those of the first k positions, which hold the
 * text (PLANNER). `tokens`: those of k [CLS] tokens that are put before the text. `stretches`: latent j is
 * a linear layer of all states in the j-th of k equal stretches of the text, and becomes one embedding of
 * the decoder for each token of the stretch, as image models fold patches. `resampler`: k learned queries
 * attend to all states (LD4LG): see vae/resampler.ts.
 */
export const LATENT_SOURCES = ["first", "tokens", "stretches", "resampler"] as const;

/** A text VAE. */
export interface TextVaeConfig {
  /** The encoder. */
  readonly encoder: BertConfig;
  /** The decoder. */
  readonly decoder: Gpt2Config;
  /** Latent vectors per text: k. */
  readonly latents: number;
  /** Width of a latent vector: d. */
  readonly latentWidth: number;
  /** The greatest number of tokens of a text, without special ones. */
  readonly maxTokens: number;
  /** The kind of latents. */
  readonly latentKind: typeof LATENT_KINDS[number];
  /** The encoder states that latents are made from. */
  readonly latentSource: typeof LATENT_SOURCES[number];
  /** The deviation of the noise on latents that the decoder was trained with. @default 0 */
  readonly decoderNoise?: number | undefined;
}

/** The number of tokens whose states make one latent: 1, except for the source `stretches`. */
export function foldOf(
  config: Pick<TextVaeConfig, "latentSource" | "maxTokens" | "latents">,
): number {
  return config.latentSource === "stretches" ? config.maxTokens / config.latents : 1;
}

/** The number of the decoder's embeddings before the text. */
export function prefixLength(config: TextVaeConfig): number {
  return config.latents * foldOf(config);
}

/** The greatest length that a batch may be padded to in both halves, and the least, if there is one. */
export function batchPositions(
  config: TextVaeConfig,
): { readonly maximum: number; readonly minimum: number | undefined } {
  const { encoder, decoder, latents, latentSource } = config;
  const before = latentSource === "tokens" ? latents : 0;
  return {
    maximum: Math.min(
      encoder.maxPositionEmbeddings - before,
      decoder.nPositions - prefixLength(config),
    ),
    // Latents are read at the first k positions, which must exist.
    minimum: latentSource === "first" ? latents : undefined,
  };
}

/** The greatest number of the encoder's tokens of a text, without special ones. */
export function encoderTokens(config: TextVaeConfig): number {
  return batchPositions(config).maximum - 2;
}

/**
 * Checks that the sizes are consistent. Messages contain the names of the settings by which a person
 * chooses them.
 */
export function checkTextVaeConfig(
  config: TextVaeConfig,
  { latents: latentsName = "latents", maxTokens: maxTokensName = "maxTokens" }: {
    readonly latents?: string;
    readonly maxTokens?: string;
  } = {},
): void {
  const { encoder, decoder, latents, maxTokens } = config;
  if (!Number.isInteger(foldOf(config))) {
    throw usageError(
      `${latents} latents cannot share ${maxTokens} tokens equally, which "stretches" needs: choose ` +
        `${latentsName} that divides ${maxTokensName}.`,
    );
  }
  const before = config.latentSource === "tokens" ? latents : 0;
  const encoded = before + maxTokens + 2;
  if (encoded > encoder.maxPositionEmbeddings) {
    throw usageError(
      `Texts of ${maxTokens} tokens take ${encoded} positions of the encoder, which has ` +
        `${encoder.maxPositionEmbeddings}: lower ${maxTokensName} or ${latentsName}.`,
    );
  }
  const prefix = prefixLength(config);
  const decoded = prefix + maxTokens + 1;
  if (decoded > decoder.nPositions) {
    throw usageError(
      `A prefix of ${prefix} and texts of ${maxTokens} tokens take ${decoded} positions of the decoder, ` +
        `which has ${decoder.nPositions}: lower ${maxTokensName} or ${latentsName}.`,
    );
  }
}
