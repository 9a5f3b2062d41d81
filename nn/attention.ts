/** Scaled dot-product attention (Vaswani et al. 2017, arXiv:1706.03762). */
import { hasSelfAttention, selfAttentionForward } from "../engine/fused_text.ts";
import * as tf from "../engine/tf.ts";
import { linears } from "./layers.ts";
import { parameter, type Parameters } from "./parameters.ts";

/** Options of {@linkcode attention}. */
export interface AttentionOptions {
  /** The number of heads, a divisor of the features. */
  heads: number;
  /** Added to the scores [B, heads, Q, K], for masks; it broadcasts. */
  bias?: tf.Tensor | undefined;
}

/**
 * softmax(Q K^T / sqrt(d)) V for each head.
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
  // Scaling the query is cheaper than scaling the scores, which are more numbers.
  const sums = weightedSums(tf.mul(q, scale), k, v, bias);
  const joined = tf.transpose(sums, [0, 2, 1, 3]); // [B, Q, heads, d]
  return tf.reshape(joined, [batch, length, features]);
}

/**
 * {@linkcode attention} of positions to each other: queries, keys and values are linear layers of the
 * same input. A device may compute it as one operation where no gradient is needed.
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

/** [B, N, heads * d] to [B, heads, N, d]. */
function splitHeads(x: tf.Tensor3D, heads: number): tf.Tensor4D {
  const [batch, length, features] = x.shape;
  const split = tf.reshape(x, [batch, length, heads, features / heads]); // [B, N, heads, d]
  return tf.transpose(split, [0, 2, 1, 3]) as tf.Tensor4D;
}

/**
 * softmax(Q K^T + bias) V for each head, with an explicit gradient. The softmax's gradient needs each row's
 * sum of P * dP over K numbers. It equals the sum of O * dO over d numbers, which is cheaper (Dao et al.
 * 2022, arXiv:2205.14135, section 3.1 and appendix B.2). The products are written with matMul because tfjs
 * has no gradient of einsum.
 *
 * @param query [B, heads, Q, d]
 * @param key [B, heads, K, d]
 * @param value [B, heads, K, d]
 * @param bias Broadcasts to [B, heads, Q, K].
 * @returns [B, heads, Q, d]
 */
function weightedSums(
  query: tf.Tensor,
  key: tf.Tensor,
  value: tf.Tensor,
  bias: tf.Tensor | undefined,
): tf.Tensor {
  const op = tf.customGrad((...args) => {
    const save = args.pop() as unknown as tf.GradSaveFunc;
    const [q, k, v, bias] = args as tf.Tensor[];
    const scores = tf.matMul(q!, k!, false, true); // [B, heads, Q, K]
    const weights = tf.softmax(bias === undefined ? scores : tf.add(scores, bias));
    const sums = tf.matMul(weights, v!);
    save([q!, k!, v!, weights, sums]);
    return {
      value: sums,
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const [q, k, v, weights, sums] = saved as Saved;
        const rows = tf.sum(tf.mul(dy, sums), -1, true); // [B, heads, Q, 1]
        const dscores = tf.mul(weights, tf.sub(tf.matMul(dy, v, false, true), rows));
        return [
          tf.matMul(dscores, k),
          tf.matMul(dscores, q, true, false),
          tf.matMul(weights, dy, true, false),
          ...bias === undefined ? [] : [sumTo(dscores, bias.shape)],
        ];
      },
    };
  });
  return bias === undefined ? op(query, key, value) : op(query, key, value, bias);
}

/** The tensors that the gradient needs: q, k, v, the weights and the weighted sums. */
type Saved = [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];

/** Sums over the axes along which a shape was broadcast. */
function sumTo(x: tf.Tensor, shape: readonly number[]): tf.Tensor {
  const padded = [...Array<number>(x.rank - shape.length).fill(1), ...shape];
  const axes = padded.flatMap((size, axis) => size === 1 ? [axis] : []);
  return tf.reshape(tf.sum(x, axes), [...shape]);
}
