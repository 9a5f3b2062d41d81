/**
 * The text VAE (PLANNER, Zhang et al. 2023, arXiv:2306.02531, section 3.1): BERT encodes a text into k
 * latent vectors; GPT-2 receives them as a prefix of embeddings and reconstructs the text.
 *
 * Parameters are those of transformers' BertModel under `encoder.` and of GPT2LMHeadModel under
 * `decoder.`. Under `vae.` are the linear layers between them, and the resampler if there is one.
 */
import * as tf from "../engine/tf.ts";
import { attention } from "../nn/attention.ts";
import { linear, linearSpecs, lookup } from "../nn/layers.ts";
import { parameter, type Parameters, type ParameterSpecs } from "../nn/parameters.ts";
import { causalBias } from "./attention_bias.ts";
import { bertEncoderSpecs, bertStates } from "./bert.ts";
import { gpt2Layers, gpt2Specs, tokenTable } from "./gpt2.ts";
import { resample, type ResamplerConfig, resamplerSpecs } from "./resampler.ts";
import { foldOf, prefixLength, type TextVaeConfig } from "./text_vae_config.ts";

/** The parameters whose names begin with `prefix`, under their names without it. */
export function partOf<Value>(
  parameters: Readonly<Record<string, Value>>,
  prefix: string,
): Record<string, Value> {
  return Object.fromEntries(
    Object.entries(parameters)
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, value]) => [name.slice(prefix.length), value]),
  );
}

/** Parameters under names with `prefix`: the inverse of {@linkcode partOf}. */
export function underPrefix<Value>(
  parameters: Readonly<Record<string, Value>>,
  prefix: string,
): Record<string, Value> {
  return Object.fromEntries(
    Object.entries(parameters).map(([name, value]) => [prefix + name, value]),
  );
}

/** The parameters of a text VAE. BERT's pooler is not among them, since latents replace it. */
export function textVaeSpecs(config: TextVaeConfig): ParameterSpecs {
  const { encoder, decoder, latentWidth } = config;
  const fold = foldOf(config);
  const width = fold * encoder.hiddenSize;
  const resampler = config.latentSource === "resampler"
    ? resamplerSpecs(RESAMPLER, resamplerOf(config))
    : {};
  const logVariance = config.latentKind === "kl"
    ? linearSpecs("vae.log_variance", width, latentWidth)
    : {};
  return {
    ...underPrefix(bertEncoderSpecs(encoder), "encoder."),
    ...resampler,
    ...linearSpecs("vae.mean", width, latentWidth),
    ...logVariance,
    ...linearSpecs("vae.adapter", latentWidth, fold * decoder.nEmbd),
    ...underPrefix(gpt2Specs(decoder), "decoder."),
  };
}

const RESAMPLER = "vae.resampler";

function resamplerOf({ latents, encoder }: TextVaeConfig): ResamplerConfig {
  return { latents, width: encoder.hiddenSize, heads: encoder.numAttentionHeads };
}

export interface LatentDistribution {
  /** The mean [B, k, d]: within (-1, 1), or of length sqrt(d) for the kind `l2`. */
  readonly mean: tf.Tensor3D;
  /** The logarithm of the variance [B, k, d]; only for the kind `kl`. */
  readonly logVariance?: tf.Tensor3D;
}

export interface EncoderInputs {
  readonly inputIds: tf.Tensor2D;
  readonly attentionMask: tf.Tensor2D;
}

/** Encodes texts into the distribution of their latents. */
export function encodeLatents(
  parameters: Parameters,
  { inputIds, attentionMask }: EncoderInputs,
  config: TextVaeConfig,
): LatentDistribution {
  const { encoder, latents, latentKind } = config;
  const [batch] = inputIds.shape;
  let [ids, mask] = [inputIds, attentionMask];
  if (config.latentSource === "tokens") {
    const cls = tf.slice(inputIds, [0, 0], [batch, 1]);
    ids = tf.concat([tf.tile(cls, [1, latents]), inputIds], 1) as tf.Tensor2D;
    mask = tf.concat([tf.onesLike(tf.tile(cls, [1, latents])), attentionMask], 1) as tf.Tensor2D;
  }
  const states = bertStates(
    partOf(parameters, "encoder."),
    { inputIds: ids, attentionMask: mask },
    encoder,
  );
  const atFirst = () => tf.slice(states, [0, 0, 0], [batch, latents, encoder.hiddenSize]);
  const readers = {
    first: atFirst,
    tokens: atFirst,
    stretches: () => foldStretches(states, mask, config),
    resampler: () => resample(parameters, RESAMPLER, { states, mask }, resamplerOf(config)),
  };
  const read = readers[config.latentSource](); // [B, k, fold * h]
  const raw = linear(parameters, "vae.mean", read) as tf.Tensor3D; // [B, k, d]
  if (latentKind === "l2") {
    const power = tf.mean(tf.square(raw), -1, true);
    return { mean: tf.mul(raw, tf.rsqrt(tf.add(power, 1e-8))) };
  }
  const mean = tf.tanh(raw);
  if (latentKind === "noise") return { mean };
  return { mean, logVariance: linear(parameters, "vae.log_variance", read) as tf.Tensor3D };
}

/**
 * Concatenates the states [B, N, h] of each stretch of the text, without that of [CLS]: [B, k, stretch *
 * h]. States of padding are zero, and so are those beyond the end of a shorter batch, so that a text's
 * latents do not depend on the batch's length.
 */
function foldStretches(
  states: tf.Tensor3D,
  mask: tf.Tensor2D,
  config: TextVaeConfig,
): tf.Tensor3D {
  const { latents, maxTokens } = config;
  const [batch, length, width] = states.shape;
  const known = Math.min(maxTokens, length - 1);
  const real = tf.reshape(tf.cast(mask, "float32"), [batch, length, 1]);
  const kept = tf.slice(tf.mul(states, real), [0, 1, 0], [batch, known, width]);
  const missing = maxTokens - known;
  const whole = missing === 0 ? kept : tf.concat([kept, tf.zeros([batch, missing, width])], 1);
  return tf.reshape(whole, [batch, latents, foldOf(config) * width]);
}

/**
 * The decoder's logits [B, L, V] of each token, given the latents [B, k, d] and the tokens before it [B,
 * L], which begin with the end token.
 */
export function decodeLogits(
  parameters: Parameters,
  latents: tf.Tensor3D,
  tokens: tf.Tensor2D,
  config: TextVaeConfig,
): tf.Tensor3D {
  const { decoder } = config;
  const weights = partOf(parameters, "decoder.");
  const table = tokenTable(weights);
  const prefix = latentPrefix(parameters, latents, config);
  const embeddings = tf.concat([prefix, lookup(table, tokens) as tf.Tensor3D], 1);
  const [batch, positions, width] = embeddings.shape;
  const length = tokens.shape[1];
  const places = tf.slice(
    parameter(weights, "transformer.wpe.weight") as tf.Tensor2D,
    [0, 0],
    [positions, width],
  );
  const bias = causalBias(positions);
  const h = gpt2Layers(
    weights,
    tf.add(embeddings, places),
    decoder,
    (q, k, v) => attention(q, k, v, { heads: decoder.nHead, bias }),
  ) as tf.Tensor3D;
  // The prefix predicts nothing, and its logits would cost as much time as the text's.
  const read = tf.slice(h, [0, positions - length, 0], [batch, length, width]);
  const logits = tf.matMul(
    tf.reshape(read, [batch * length, width]) as tf.Tensor2D,
    table,
    false,
    true,
  );
  return tf.reshape(logits, [batch, length, decoder.vocabSize]);
}

/** The decoder's first embeddings [B, k * fold, width], from latents [B, k, d]. */
export function latentPrefix(
  parameters: Parameters,
  latents: tf.Tensor3D,
  config: TextVaeConfig,
): tf.Tensor3D {
  const prefix = linear(parameters, "vae.adapter", latents); // [B, k, fold * width]
  return tf.reshape(prefix, [latents.shape[0], prefixLength(config), config.decoder.nEmbd]);
}
