/** BERT's head for masked tokens, as transformers' BertForMaskedLM has it. */
import * as tf from "../engine/tf.ts";
import { gelu } from "../nn/activations.ts";
import { linear, linearSpecs, normSpecs } from "../nn/layers.ts";
import { layerNorm } from "../nn/layer_norm.ts";
import {
  type HostParameters,
  parameter,
  type Parameters,
  type ParameterSpecs,
} from "../nn/parameters.ts";
import type { BertConfig } from "./bert.ts";

/** The head's parameters on the host. */
export type MaskedLmParameters = HostParameters;

/** The head's parameters. The output embedding is the encoder's table of words. */
export function maskedLmSpecs(config: BertConfig): ParameterSpecs {
  const { hiddenSize, vocabSize } = config;
  return {
    ...linearSpecs("cls.predictions.transform.dense", hiddenSize, hiddenSize),
    ...normSpecs("cls.predictions.transform.LayerNorm", hiddenSize),
    "cls.predictions.bias": { shape: [vocabSize], initializer: { constant: 0 } },
  };
}

/**
 * Predicts the token at each position: logits [B, N, V] of the last hidden states [B, N, hidden]. The
 * parameters are the head's and the encoder's `embeddings.word_embeddings.weight`.
 */
export function maskedLmLogits(
  parameters: Parameters,
  hidden: tf.Tensor3D,
  { hiddenSize, vocabSize, layerNormEps: epsilon }: BertConfig,
): tf.Tensor3D {
  const [batch, length] = hidden.shape;
  const name = "cls.predictions.transform";
  const dense = gelu(linear(parameters, `${name}.dense`, hidden));
  const normed = layerNorm(parameters, `${name}.LayerNorm`, dense, epsilon);
  const table = parameter(parameters, "embeddings.word_embeddings.weight") as tf.Tensor2D;
  const flat = tf.reshape(normed, [batch * length, hiddenSize]) as tf.Tensor2D;
  const logits = tf.add(
    tf.matMul(flat, table, false, true),
    parameter(parameters, "cls.predictions.bias"),
  );
  return tf.reshape(logits, [batch, length, vocabSize]);
}
