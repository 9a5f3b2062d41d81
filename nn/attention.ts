/** Scaled dot-product attention (Vaswani et al. 2017, arXiv:1706.03762). */
import { hasSelfAttention, selfAttentionForward } from "../engine/fused_text.ts";
import * as tf from "../engine/tf.ts";
import { linears } from "./layers.ts";
import { parameter, type Parameters } from "./parameters.ts";

/** Options of {@linkcode attention}. */
export interface AttentionOptions {
  /** The number of heads; it divides the features. */
  heads: number;
  /** Added to the scores [B, heads, Q, K], for masks; it broadcasts. */
  bias?: tf.Tensor;
}

/** [B, N, heads * d] to [B, heads, N, d]. */
function splitHeads(x: tf.Tensor3D, heads: number): tf.Tensor4D {
  const [batch, length, features] = x.shape;
  const split = tf.reshape(x, [batch, length, heads, features / heads]); // [B, N, heads, d]
  return tf.transpose(split, [0, 2, 1, 3]) as tf.Tensor4D;
}

/**
 * softmax(Q K^T / sqrt(d)) V for each head. Written with matMul and softmax because tfjs has no
 * gradient for einsum.
 *
 * @param query [B, Q, features]
 * @param key [B, K, features]
 * @param value [B, K, features]
 * @returns [B, Q, features]
 */
export function attention(
  query: tf.Tensor3D,
  key: tf.Tensor3D,
  value: tf.Tensor3D,
  { heads, bias }: AttentionOptions,
): tf.Tensor3D {
  const [batch, length, features] = query.shape;
  const scale = 1 / Math.sqrt(features / heads);
  const [q, k, v] = [query, key, value].map((x) => splitHeads(x, heads)) as [
    tf.Tensor4D,
    tf.Tensor4D,
    tf.Tensor4D,
  ];
  // Scaling the query is cheaper than scaling the scores, of which there are more.
  const scores = tf.matMul(tf.mul(q, scale), k, false, true); // [B, heads, Q, K]
  const weights = tf.softmax(bias === undefined ? scores : tf.add(scores, bias));
  const heard = tf.transpose(tf.matMul(weights, v), [0, 2, 1, 3]); // [B, Q, heads, d]
  return tf.reshape(heard, [batch, length, features]);
}

/**
 * {@linkcode attention} of positions to each other: queries, keys and values are linear layers of the
 * same input. It may be one operation where no gradient is asked for.
 *
 * @param names The layers of queries, keys and values: weights [features, C], biases [features].
 * @param x [B, N, C]
 * @returns [B, N, features]
 */
export function selfAttention(
  parameters: Parameters,
  names: readonly [query: string, key: string, value: string],
  x: tf.Tensor3D,
  options: AttentionOptions,
): tf.Tensor3D {
  if (hasSelfAttention()) {
    const weights = names.map((name) => parameter(parameters, `${name}.weight`) as tf.Tensor2D);
    const biases = names.map((name) => parameter(parameters, `${name}.bias`) as tf.Tensor1D);
    const weight = tf.transpose(tf.concat(weights, 0)) as tf.Tensor2D; // [C, 3 * features]
    return selfAttentionForward(x, weight, tf.concat(biases), options.heads, options.bias);
  }
  const [q, k, v] = linears(parameters, names, x) as [tf.Tensor3D, tf.Tensor3D, tf.Tensor3D];
  return attention(q, k, v, options);
}
