/**
 * GPT-2 (Radford et al. 2019) without dropout. Parameters have the names and shapes of transformers'
 * GPT2LMHeadModel, whose linear layers have weights [in, out]; the head is the table of tokens.
 */
import * as tf from "../engine/tf.ts";
import { geluTanh } from "../nn/activations.ts";
import { attention } from "../nn/attention.ts";
import { crossEntropy, IGNORED_LABEL } from "../nn/cross_entropy.ts";
import { affine, lookup, normSpecs } from "../nn/layers.ts";
import { layerNorm } from "../nn/layer_norm.ts";
import { parameter, type Parameters, type ParameterSpecs } from "../nn/parameters.ts";
import { causalBias } from "./attention_bias.ts";

/** A GPT-2's sizes, named as in its config.json. */
export interface Gpt2Config {
  /** Tokens of the vocabulary. */
  readonly vocabSize: number;
  /** The greatest length of a text: rows of the position embeddings. */
  readonly nPositions: number;
  /** Features of a token. */
  readonly nEmbd: number;
  /** Layers. */
  readonly nLayer: number;
  /** Heads of attention; they divide the features. */
  readonly nHead: number;
  /** Added to variances. */
  readonly layerNormEpsilon: number;
  /** Standard deviation of the initial weights. */
  readonly initializerRange: number;
}

/** GPT-2 with 124 million parameters. */
export const GPT2_SMALL: Gpt2Config = {
  vocabSize: 50257,
  nPositions: 1024,
  nEmbd: 768,
  nLayer: 12,
  nHead: 12,
  layerNormEpsilon: 1e-5,
  initializerRange: 0.02,
};

/** The parameters of a GPT-2: names, shapes and initial values. */
export function gpt2Specs(config: Gpt2Config): ParameterSpecs {
  const { nEmbd: width, nLayer, initializerRange: deviation } = config;
  const conv1d = (name: string, features: number, out: number, ofWeight = deviation) => ({
    [`${name}.weight`]: { shape: [features, out], initializer: { deviation: ofWeight } },
    [`${name}.bias`]: { shape: [out], initializer: { constant: 0 } },
  });
  // Projections into the residual stream start smaller, by the square root of their number.
  const residual = deviation / Math.sqrt(2 * nLayer);
  const layers = Array.from({ length: nLayer }, (_, i): ParameterSpecs => {
    const name = `transformer.h.${i}`;
    return {
      ...normSpecs(`${name}.ln_1`, width),
      ...conv1d(`${name}.attn.c_attn`, width, 3 * width),
      ...conv1d(`${name}.attn.c_proj`, width, width, residual),
      ...normSpecs(`${name}.ln_2`, width),
      ...conv1d(`${name}.mlp.c_fc`, width, 4 * width),
      ...conv1d(`${name}.mlp.c_proj`, 4 * width, width, residual),
    };
  });
  const initializer = { deviation };
  return Object.assign(
    {
      "transformer.wte.weight": { shape: [config.vocabSize, width], initializer },
      "transformer.wpe.weight": { shape: [config.nPositions, width], initializer },
    },
    ...layers,
    normSpecs("transformer.ln_f", width),
  );
}

/** A linear layer with its weight as [in, out]. */
function conv1d(parameters: Parameters, name: string, x: tf.Tensor): tf.Tensor {
  const weight = parameter(parameters, `${name}.weight`) as tf.Tensor2D;
  return affine(x, weight, parameter(parameters, `${name}.bias`) as tf.Tensor1D);
}

/**
 * Applies the layers of a GPT-2 to embeddings [B, N, width] that include positions. `attend` is the
 * attention of one layer: queries, keys and values [B, N, width] to [B, N, width].
 */
export function gpt2Layers(
  parameters: Parameters,
  embeddings: tf.Tensor,
  config: Gpt2Config,
  attend: (q: tf.Tensor3D, k: tf.Tensor3D, v: tf.Tensor3D, layer: number) => tf.Tensor,
): tf.Tensor {
  const epsilon = config.layerNormEpsilon;
  let h = embeddings;
  for (let i = 0; i < config.nLayer; i++) {
    const name = `transformer.h.${i}`;
    const projected = conv1d(
      parameters,
      `${name}.attn.c_attn`,
      layerNorm(parameters, `${name}.ln_1`, h, epsilon),
    );
    const [q, k, v] = tf.split(projected, 3, -1) as [tf.Tensor3D, tf.Tensor3D, tf.Tensor3D];
    h = tf.add(h, conv1d(parameters, `${name}.attn.c_proj`, attend(q, k, v, i)));
    const normed = layerNorm(parameters, `${name}.ln_2`, h, epsilon);
    const inner = geluTanh(conv1d(parameters, `${name}.mlp.c_fc`, normed));
    h = tf.add(h, conv1d(parameters, `${name}.mlp.c_proj`, inner));
  }
  return layerNorm(parameters, "transformer.ln_f", h, epsilon);
}

/** The logits [B, N, V] of last hidden states [B, N, width]; the head is the table of tokens. */
export function tokenLogits(parameters: Parameters, states: tf.Tensor3D): tf.Tensor3D {
  const [batch, length, width] = states.shape;
  const table = tokenTable(parameters);
  const logits = tf.matMul(tf.reshape(states, [batch * length, width]), table, false, true);
  return tf.reshape(logits, [batch, length, table.shape[0]]);
}

/** The table of tokens [V, width]. */
export function tokenTable(parameters: Parameters): tf.Tensor2D {
  return parameter(parameters, "transformer.wte.weight") as tf.Tensor2D;
}

/**
 * The last hidden states [B, P + N, width], with a prefix of embeddings [B, P, width] before the tokens
 * [B, N].
 */
export function gpt2States(
  parameters: Parameters,
  tokens: tf.Tensor2D,
  config: Gpt2Config,
  prefix?: tf.Tensor3D,
): tf.Tensor3D {
  const words = lookup(tokenTable(parameters), tokens) as tf.Tensor3D;
  const embeddings = prefix === undefined ? words : tf.concat([prefix, words], 1);
  const [, length, width] = embeddings.shape;
  const positions = tf.slice(
    parameter(parameters, "transformer.wpe.weight") as tf.Tensor2D,
    [0, 0],
    [length, width],
  );
  const bias = causalBias(length);
  return gpt2Layers(
    parameters,
    tf.add(embeddings, positions),
    config,
    (q, k, v) => attention(q, k, v, { heads: config.nHead, bias }),
  ) as tf.Tensor3D;
}

/**
 * Applies a GPT-2 to tokens [B, N], int32, after a prefix of embeddings [B, P, width]: logits [B, P + N,
 * V].
 */
export function gpt2(
  parameters: Parameters,
  tokens: tf.Tensor2D,
  config: Gpt2Config,
  prefix?: tf.Tensor3D,
): tf.Tensor3D {
  return tokenLogits(parameters, gpt2States(parameters, tokens, config, prefix));
}

/**
 * The mean cross-entropy of each token [B, N], int32, given those before it, in nats. The first token has
 * none. Labels are the tokens to predict, with IGNORED_LABEL at positions that do not count.
 */
export function gpt2Loss(
  parameters: Parameters,
  tokens: tf.Tensor2D,
  config: Gpt2Config,
  labels: tf.Tensor2D = tokens,
): tf.Scalar {
  const [batch, length] = tokens.shape;
  // The last position predicts nothing. Its label is ignored, since cutting it off the logits, the
  // largest tensor of all, would copy them in the forward pass and in the backward pass.
  const last = tf.fill([batch, 1], IGNORED_LABEL, "int32");
  const next = tf.concat([tf.slice(labels, [0, 1], [batch, length - 1]), last as tf.Tensor2D], 1);
  const logits = tf.reshape(gpt2(parameters, tokens, config), [-1, config.vocabSize]);
  return crossEntropy(logits as tf.Tensor2D, tf.reshape(next, [-1]));
}
