/**
 * BERT (Devlin et al. 2019, arXiv:1810.04805) without dropout. Parameters have the names and shapes of
 * transformers' BertModel.
 */
import * as tf from "../engine/tf.ts";
import { float32 } from "../engine/tree.ts";
import { gelu } from "../nn/activations.ts";
import { selfAttention } from "../nn/attention.ts";
import { linear, lookup, normSpecs } from "../nn/layers.ts";
import { layerNorm } from "../nn/layer_norm.ts";
import {
  type HostParameters,
  parameter,
  type Parameters,
  type ParameterSpecs,
} from "../nn/parameters.ts";
import { paddingBias } from "./attention_bias.ts";

/** A BERT's sizes, named as in its config.json. */
export interface BertConfig {
  /** Tokens of the vocabulary. */
  readonly vocabSize: number;
  /** Features of a token. */
  readonly hiddenSize: number;
  /** Layers. */
  readonly numHiddenLayers: number;
  /** Heads of attention; they divide the features. */
  readonly numAttentionHeads: number;
  /** Features within the feed-forward parts. */
  readonly intermediateSize: number;
  /** The greatest length of a text: rows of the position embeddings. */
  readonly maxPositionEmbeddings: number;
  /** Kinds of segments. */
  readonly typeVocabSize: number;
  /** Added to variances. */
  readonly layerNormEps: number;
  /** Standard deviation of the initial weights. */
  readonly initializerRange: number;
}

/** BERT-base, uncased. */
export const BERT_BASE: BertConfig = {
  vocabSize: 30522,
  hiddenSize: 768,
  numHiddenLayers: 12,
  numAttentionHeads: 12,
  intermediateSize: 3072,
  maxPositionEmbeddings: 512,
  typeVocabSize: 2,
  layerNormEps: 1e-12,
  initializerRange: 0.02,
};

/** The parameters of a BERT without its pooler: names, shapes and initial values. */
export function bertEncoderSpecs(config: BertConfig): ParameterSpecs {
  const { hiddenSize: hidden, intermediateSize: inner, initializerRange: deviation } = config;
  const weight = (name: string, ...shape: number[]): ParameterSpecs => ({
    [`${name}.weight`]: { shape, initializer: { deviation } },
  });
  const dense = (name: string, features: number, out: number): ParameterSpecs => ({
    ...weight(name, out, features),
    [`${name}.bias`]: { shape: [out], initializer: { constant: 0 } },
  });
  const layers = Array.from({ length: config.numHiddenLayers }, (_, i): ParameterSpecs => {
    const name = `encoder.layer.${i}`;
    return {
      ...dense(`${name}.attention.self.query`, hidden, hidden),
      ...dense(`${name}.attention.self.key`, hidden, hidden),
      ...dense(`${name}.attention.self.value`, hidden, hidden),
      ...dense(`${name}.attention.output.dense`, hidden, hidden),
      ...normSpecs(`${name}.attention.output.LayerNorm`, hidden),
      ...dense(`${name}.intermediate.dense`, hidden, inner),
      ...dense(`${name}.output.dense`, inner, hidden),
      ...normSpecs(`${name}.output.LayerNorm`, hidden),
    };
  });
  return Object.assign(
    {},
    weight("embeddings.word_embeddings", config.vocabSize, hidden),
    weight("embeddings.position_embeddings", config.maxPositionEmbeddings, hidden),
    weight("embeddings.token_type_embeddings", config.typeVocabSize, hidden),
    normSpecs("embeddings.LayerNorm", hidden),
    ...layers,
  );
}

/** The parameters of a BERT with its pooler: those of {@linkcode bertEncoderSpecs}, and the pooler's. */
export function bertSpecs(config: BertConfig): ParameterSpecs {
  const { hiddenSize: hidden, initializerRange: deviation } = config;
  return {
    ...bertEncoderSpecs(config),
    "pooler.dense.weight": { shape: [hidden, hidden], initializer: { deviation } },
    "pooler.dense.bias": { shape: [hidden], initializer: { constant: 0 } },
  };
}

/** A pooler of zeros, for checkpoints of encoders without one: transformers' BertModel expects it. */
export function zeroPooler({ hiddenSize }: BertConfig): HostParameters {
  return {
    "pooler.dense.weight": float32(new Float32Array(hiddenSize ** 2), [hiddenSize, hiddenSize]),
    "pooler.dense.bias": float32(new Float32Array(hiddenSize)),
  };
}

/** The inputs of a BERT. */
export interface BertInputs {
  /** Tokens [B, N], int32. */
  readonly inputIds: tf.Tensor2D;
  /** 1 for tokens, 0 for padding [B, N]; all are tokens by default. */
  readonly attentionMask?: tf.Tensor2D | undefined;
}

/** The outputs of a BERT. */
export interface BertOutputs {
  /** The last layer's features of each token [B, N, hidden]. */
  readonly lastHiddenState: tf.Tensor3D;
  /** tanh of a linear layer of the first token's [B, hidden]. */
  readonly poolerOutput: tf.Tensor2D;
}

/**
 * The last hidden states [B, N, hidden] of a BERT with the parameters of {@linkcode bertEncoderSpecs}, for
 * texts of one segment each.
 */
export function bertStates(
  parameters: Parameters,
  { inputIds, attentionMask }: BertInputs,
  config: BertConfig,
): tf.Tensor3D {
  const [, length] = inputIds.shape;
  const { hiddenSize, numAttentionHeads: heads, layerNormEps: epsilon } = config;
  const table = (name: string) => parameter(parameters, `embeddings.${name}.weight`) as tf.Tensor2D;
  const norm = (name: string, x: tf.Tensor) => layerNorm(parameters, name, x, epsilon);
  const options = attentionMask === undefined
    ? { heads }
    : { heads, bias: paddingBias(attentionMask) };

  const positions = tf.slice(table("position_embeddings"), [0, 0], [length, hiddenSize]);
  const segment = tf.slice(table("token_type_embeddings"), [0, 0], [1, hiddenSize]);
  const words = lookup(table("word_embeddings"), inputIds);
  let h = norm("embeddings.LayerNorm", tf.add(words, tf.add(positions, segment)));
  for (let i = 0; i < config.numHiddenLayers; i++) {
    const name = `encoder.layer.${i}`;
    const part = (which: string) => `${name}.attention.self.${which}`;
    const parts = [part("query"), part("key"), part("value")] as const;
    const attended = selfAttention(parameters, parts, h as tf.Tensor3D, options);
    const dense = linear(parameters, `${name}.attention.output.dense`, attended);
    h = norm(`${name}.attention.output.LayerNorm`, tf.add(dense, h));
    const inner = gelu(linear(parameters, `${name}.intermediate.dense`, h));
    h = norm(
      `${name}.output.LayerNorm`,
      tf.add(linear(parameters, `${name}.output.dense`, inner), h),
    );
  }
  return h as tf.Tensor3D;
}

/** Applies a BERT with the parameters of {@linkcode bertSpecs} to texts of one segment each. */
export function bert(parameters: Parameters, inputs: BertInputs, config: BertConfig): BertOutputs {
  const lastHiddenState = bertStates(parameters, inputs, config);
  const [batch, , hidden] = lastHiddenState.shape;
  const first = tf.reshape(tf.slice(lastHiddenState, [0, 0, 0], [batch, 1, hidden]), [
    batch,
    hidden,
  ]);
  return {
    lastHiddenState,
    poolerOutput: tf.tanh(linear(parameters, "pooler.dense", first)) as tf.Tensor2D,
  };
}
