/**
 * Fused operations of language models: see fused.ts. They have no gradients: nn/ calls them in operations
 * with gradients of their own.
 */
import { hasKernel } from "./fused.ts";
import * as tf from "./tf.ts";

function run<T extends tf.Tensor | tf.Tensor[]>(
  name: string,
  inputs: Record<string, tf.Tensor>,
  attrs: Record<string, number> = {},
): T {
  return tf.engine().runKernel(name, inputs, attrs) as T;
}

/**
 * x W + b, or x W^T + b.
 *
 * @param x [R, in]
 * @param weight [in, out], or [out, in] with `transposeWeight`.
 * @param bias [out]
 */
export function affineForward(
  x: tf.Tensor2D,
  weight: tf.Tensor2D,
  bias: tf.Tensor1D,
  transposeWeight: boolean,
): tf.Tensor2D {
  if (hasKernel("Affine")) {
    return run("Affine", { x, weight, bias }, { transposeWeight: transposeWeight ? 1 : 0 });
  }
  return tf.tidy(() => tf.add(tf.matMul(x, weight, false, transposeWeight), bias) as tf.Tensor2D);
}

/**
 * Whether the device has self-attention as one kernel, and no gradient is being computed. A gradient would
 * need intermediate values that the kernel does not return.
 */
export function hasSelfAttention(): boolean {
  return tf.engine().state.gradientDepth === 0 && hasKernel("SelfAttention");
}

/**
 * softmax(Q K^T / sqrt(d)) V for each head, with [Q, K, V] = x W + b. Requires {@linkcode hasSelfAttention}.
 *
 * @param x [B, N, C]
 * @param weight The weights of queries, keys and values side by side: [C, 3 * features].
 * @param bias [3 * features]
 * @param heads The number of heads, a divisor of the features.
 * @param scoreBias Added to the scores [B, heads, N, N], with broadcasting.
 * @returns [B, N, features]
 */
export function selfAttentionForward(
  x: tf.Tensor3D,
  weight: tf.Tensor2D,
  bias: tf.Tensor1D,
  heads: number,
  scoreBias?: tf.Tensor,
): tf.Tensor3D {
  const inputs = { x, weight, bias, ...(scoreBias === undefined ? {} : { scoreBias }) };
  return run("SelfAttention", inputs, { heads });
}

/** The results of {@linkcode layerNormForward}. */
export interface LayerNormResult {
  /** The normalized rows: [R, C]. */
  readonly y: tf.Tensor2D;
  /** The reciprocal of each row's standard deviation: [R, 1]. */
  readonly inverse: tf.Tensor2D;
}

/**
 * Normalizes rows to mean 0 and variance 1, then scales and shifts columns.
 *
 * @param x [R, C]
 * @param weight [C]
 * @param bias [C]
 * @param epsilon Added to the variance.
 */
export function layerNormForward(
  x: tf.Tensor2D,
  weight: tf.Tensor1D,
  bias: tf.Tensor1D,
  epsilon: number,
): LayerNormResult {
  if (hasKernel("LayerNorm")) {
    const [y, inverse] = run<tf.Tensor[]>("LayerNorm", { x, weight, bias }, { epsilon });
    return { y: y as tf.Tensor2D, inverse: inverse as tf.Tensor2D };
  }
  const centered = tf.sub(x, tf.mean(x, 1, true));
  const variance = tf.mean(tf.square(centered), 1, true);
  const inverse = tf.rsqrt(tf.add(variance, epsilon)) as tf.Tensor2D;
  const y = tf.add(tf.mul(tf.mul(centered, inverse), weight), bias) as tf.Tensor2D;
  return { y, inverse };
}

/**
 * x * Phi(x), where Phi is the distribution function of the standard normal distribution (Hendrycks and
 * Gimpel 2016, arXiv:1606.08415).
 *
 * @param x Any shape.
 */
export function geluForward(x: tf.Tensor): tf.Tensor {
  if (hasKernel("Gelu")) return run("Gelu", { x });
  return tf.tidy(() => tf.mul(tf.mul(x, 0.5), tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1)));
}

/** The factors of {@linkcode geluTanhForward}: u = x * (linear + cubic * x^2). */
export const GELU_TANH = {
  /** sqrt(8 / pi). */
  linear: Math.sqrt(8 / Math.PI),
  /** 0.044715 * sqrt(8 / pi). */
  cubic: 0.044715 * Math.sqrt(8 / Math.PI),
} as const;

/**
 * The approximation of GELU by tanh (GPT-2's gelu_new). It equals x * sigmoid(u) with
 * u = sqrt(8 / pi) * (x + 0.044715 x^3).
 *
 * @param x Any shape.
 */
export function geluTanhForward(x: tf.Tensor): tf.Tensor {
  if (hasKernel("GeluTanh")) return run("GeluTanh", { x });
  return tf.tidy(() => {
    const u = tf.mul(x, tf.add(GELU_TANH.linear, tf.mul(tf.square(x), GELU_TANH.cubic)));
    return tf.mul(x, tf.sigmoid(u));
  });
}

/**
 * The logarithm of the softmax of each row.
 *
 * @param x [R, C]
 */
export function logSoftmaxRows(x: tf.Tensor2D): tf.Tensor2D {
  if (hasKernel("LogSoftmaxRows")) return run("LogSoftmaxRows", { x });
  return tf.tidy(() => {
    const shifted = tf.sub(x, tf.max(x, 1, true));
    return tf.sub(shifted, tf.log(tf.sum(tf.exp(shifted), 1, true))) as tf.Tensor2D;
  });
}

/**
 * Selects one element of each row.
 *
 * @param x [R, C]
 * @param ids Columns in [0, C): [R], int32.
 * @returns [R]
 */
export function pickColumns(x: tf.Tensor2D, ids: tf.Tensor1D): tf.Tensor1D {
  if (hasKernel("PickColumns")) return run("PickColumns", { x, ids });
  return tf.tidy(() => tf.sum(tf.mul(x, tf.oneHot(ids, x.shape[1])), 1) as tf.Tensor1D);
}

/**
 * Adds a number to one element of each row.
 *
 * @param x [R, C]
 * @param ids Columns in [0, C): [R], int32.
 * @param values The numbers to add: [R].
 */
export function addAtColumns(x: tf.Tensor2D, ids: tf.Tensor1D, values: tf.Tensor1D): tf.Tensor2D {
  if (hasKernel("AddAtColumns")) return run("AddAtColumns", { x, ids, values });
  return tf.tidy(() =>
    tf.add(x, tf.mul(tf.oneHot(ids, x.shape[1]), tf.reshape(values, [-1, 1]))) as tf.Tensor2D
  );
}

/**
 * Adds each row to a row of the result. This is the gradient of looking rows up in a table.
 *
 * @param x [R, C]
 * @param ids For each row the index of the result's row, in [0, rows): [R], int32.
 * @param rows The number of rows of the result.
 * @returns [rows, C]
 */
export function sumRowsAt(x: tf.Tensor2D, ids: tf.Tensor1D, rows: number): tf.Tensor2D {
  if (hasKernel("SumRowsAt")) return run("SumRowsAt", { x, ids }, { rows });
  return tf.unsortedSegmentSum(x, ids, rows);
}
