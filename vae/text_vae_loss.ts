/** The loss of a text VAE: reconstruction, and the divergence of its latents. */
import * as tf from "../engine/tf.ts";
import { crossEntropy } from "../nn/cross_entropy.ts";
import type { Parameters } from "../nn/parameters.ts";
import { decodeLogits, encodeLatents, type LatentDistribution } from "./text_vae.ts";
import type { TextVaeConfig } from "./text_vae_config.ts";

/** A batch (see vae/batches.ts), with noise for the latents. */
export interface TextVaeBatch {
  /** The encoder's input [B, L], int32. */
  readonly inputIds: tf.Tensor2D;
  /** [B, L], int32. */
  readonly attentionMask: tf.Tensor2D;
  /** The decoder's input [B, L], int32. */
  readonly decoderInputIds: tf.Tensor2D;
  /** The tokens to predict [B, L], int32. */
  readonly labels: tf.Tensor2D;
  /** Standard normal noise [B, k, d]. */
  readonly noise: tf.Tensor3D;
  /**
   * If the batch is a part of a larger one: the number of its tokens divided by the mean number of tokens
   * of a part, a scalar. The mean of the parts' losses is then the loss of the whole batch, whose
   * reconstruction is a mean over tokens.
   */
  readonly tokenShare?: tf.Scalar | undefined;
}

/** Weights of the loss's parts. */
export interface TextVaeLossOptions {
  /** The weight of the divergence, for the kind `kl`. @default 0 */
  readonly beta?: number | undefined;
  /**
   * The least divergence in nats that each of the k d numbers counts with, so that less is not rewarded
   * (free bits, Kingma et al. 2016). @default 0
   */
  readonly freeBits?: number | undefined;
  /** Deviation of the noise added to the mean, for the kinds `noise` and `l2`. @default 0 */
  readonly noiseDeviation?: number | undefined;
}

/**
 * The Kullback-Leibler divergence of the latents from the standard normal, summed over k and d, and
 * averaged over texts: 1/2 sum(mu^2 + sigma^2 - 1 - log sigma^2).
 */
export function latentDivergence(
  { mean, logVariance }: Required<LatentDistribution>,
  freeBits = 0,
): tf.Scalar {
  const each = tf.mul(
    0.5,
    tf.sub(tf.add(tf.square(mean), tf.exp(logVariance)), tf.add(logVariance, 1)),
  );
  const perNumber = tf.mean(each, 0); // [k, d]
  return tf.sum(freeBits > 0 ? tf.maximum(perNumber, freeBits) : perNumber) as tf.Scalar;
}

/** Latents with noise, as the decoder receives them in training [B, k, d]. */
export function sampleLatents(
  { mean, logVariance }: LatentDistribution,
  noise: tf.Tensor3D,
  noiseDeviation: number,
): tf.Tensor3D {
  if (logVariance !== undefined) {
    return tf.add(mean, tf.mul(tf.exp(tf.mul(0.5, logVariance)), noise));
  }
  return noiseDeviation === 0 ? mean : tf.add(mean, tf.mul(noiseDeviation, noise));
}

/** The loss of a batch and its parts: `reconstruction`, nats a token, and `divergence`, nats a text. */
export function textVaeLoss(
  parameters: Parameters,
  batch: TextVaeBatch,
  config: TextVaeConfig,
  { beta = 0, freeBits = 0, noiseDeviation = 0 }: TextVaeLossOptions = {},
): { loss: tf.Scalar; figures: Record<"reconstruction" | "divergence", tf.Scalar> } {
  const distribution = encodeLatents(parameters, batch, config);
  const latents = sampleLatents(distribution, batch.noise, noiseDeviation);
  const logits = decodeLogits(parameters, latents, batch.decoderInputIds, config);
  const perToken = crossEntropy(
    tf.reshape(logits, [-1, config.decoder.vocabSize]) as tf.Tensor2D,
    tf.reshape(batch.labels, [-1]) as tf.Tensor1D,
  );
  const { tokenShare } = batch;
  const reconstruction = tokenShare === undefined
    ? perToken
    : tf.mul(perToken, tokenShare) as tf.Scalar;
  const { mean, logVariance } = distribution;
  if (logVariance === undefined) {
    return { loss: reconstruction, figures: { reconstruction, divergence: tf.scalar(0) } };
  }
  const divergence = latentDivergence({ mean, logVariance }, freeBits);
  const loss = tf.add(reconstruction, tf.mul(beta, divergence)) as tf.Scalar;
  return { loss, figures: { reconstruction, divergence } };
}
