/** Sentences as single vectors, whose products tell how alike the sentences are. */
import * as tf from "../engine/tf.ts";

/**
 * The mean of a text's states over its tokens, at length 1: what sentence-transformers makes of a BERT
 * (Reimers and Gurevych 2019, arXiv:1908.10084, section 3) with its modules Pooling, by mean, and
 * Normalize. The product of two embeddings is their cosine.
 *
 * @param states The last hidden states [B, N, h].
 * @param mask 1 for tokens, [CLS] and [SEP] among them, 0 for padding [B, N].
 * @returns [B, h]
 */
export function sentenceEmbedding(states: tf.Tensor3D, mask: tf.Tensor2D): tf.Tensor2D {
  const [batch, length, width] = states.shape;
  const weights = tf.reshape(tf.cast(mask, "float32"), [batch, length, 1]);
  // A sum over tokens points where their mean does.
  const sum = tf.sum(tf.mul(states, weights), 1); // [B, h]
  const norm = tf.sqrt(tf.sum(tf.square(sum), -1, true)); // [B, 1]
  return tf.reshape(tf.div(sum, tf.maximum(norm, 1e-12)), [batch, width]);
}
