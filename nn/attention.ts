/** Scaled dot-product attention (Vaswani et al. 2017, arXiv:1706.03762). */
import * as tf from "../engine/tf.ts";

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
