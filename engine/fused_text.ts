/**
 * Fused operations of language models: see fused.ts. They have no gradients: nn/ calls them in operations
 * with gradients of their own.
 */
import { hasKernel, kernelOr } from "./fused.ts";
import * as tf from "./tf.ts";

/** x W + b, or x W^T + b: x [R, in], W [in, out], or [out, in] with `transposeWeight`, and b [out]. */
export function affineForward(
  x: tf.Tensor2D,
  weight: tf.Tensor2D,
  bias: tf.Tensor1D,
  transposeWeight: boolean,
): tf.Tensor2D {
  return kernelOr(
    "Affine",
    { x, weight, bias },
    () => tf.add(tf.matMul(x, weight, false, transposeWeight), bias),
    { transposeWeight: transposeWeight ? 1 : 0 },
  );
}

/**
 * Whether the device has self-attention as one kernel, and no gradient is being computed. A gradient would
 * need intermediate values that the kernel does not return. ONNX Runtime 1.30 has wrong numbers for 64
 * positions in 4 heads of 8 features on WebGPU.
 */
export function hasSelfAttention(): boolean {
  const { forGpu } = tf.backend() as { readonly forGpu?: boolean };
  return tf.engine().state.gradientDepth === 0 && !forGpu && hasKernel("SelfAttention");
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
  return tf.engine().runKernel("SelfAttention", inputs, { heads }) as tf.Tensor3D;
}

/**
 * Normalizes the rows of x [R, C] to mean 0 and variance 1, then scales and shifts columns.
 *
 * @param weight [C]
 * @param bias [C]
 * @param epsilon Added to the variance.
 * @returns The rows y [R, C], and the reciprocal of each row's standard deviation, `inverse` [R, 1].
 */
export function layerNormForward(
  x: tf.Tensor2D,
  weight: tf.Tensor1D,
  bias: tf.Tensor1D,
  epsilon: number,
): { y: tf.Tensor2D; inverse: tf.Tensor2D } {
  if (hasKernel("LayerNorm")) {
    const results = tf.engine().runKernel("LayerNorm", { x, weight, bias }, { epsilon });
    const [y, inverse] = results as [tf.Tensor2D, tf.Tensor2D];
    return { y, inverse };
  }
  const centered = tf.sub(x, tf.mean(x, 1, true));
  const variance = tf.mean(tf.square(centered), 1, true);
  const inverse = tf.rsqrt(tf.add(variance, epsilon)) as tf.Tensor2D;
  return { y: tf.add(tf.mul(tf.mul(centered, inverse), weight), bias), inverse };
}

/**
 * x * Phi(x) for x of any shape, where Phi is the distribution function of the standard normal distribution
 * (Hendrycks and Gimpel 2016, arXiv:1606.08415).
 */
export function geluForward(x: tf.Tensor): tf.Tensor {
  return kernelOr(
    "Gelu",
    { x },
    () => tf.mul(tf.mul(x, 0.5), tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1)),
  );
}

/** The factors of {@linkcode geluTanhForward}: u = x * (linear + cubic * x^2). */
export const GELU_TANH = {
  linear: Math.sqrt(8 / Math.PI),
  cubic: 0.044715 * Math.sqrt(8 / Math.PI),
} as const;

/**
 * The approximation of GELU by tanh (GPT-2's gelu_new) for x of any shape. It equals x * sigmoid(u) with
 * u = sqrt(8 / pi) * (x + 0.044715 x^3).
 */
export function geluTanhForward(x: tf.Tensor): tf.Tensor {
  return kernelOr("GeluTanh", { x }, () => {
    const u = tf.mul(x, tf.add(GELU_TANH.linear, tf.mul(tf.square(x), GELU_TANH.cubic)));
    return tf.mul(x, tf.sigmoid(u));
  });
}

/** The logarithm of the softmax of each row of x [R, C]. */
export function logSoftmaxRows(x: tf.Tensor2D): tf.Tensor2D {
  return kernelOr("LogSoftmaxRows", { x }, () => {
    const shifted = tf.sub(x, tf.max(x, 1, true));
    return tf.sub(shifted, tf.log(tf.sum(tf.exp(shifted), 1, true)));
  });
}

/** Selects one element of each row of x [R, C], at the columns `ids` (int32 [R], in [0, C)): [R]. */
export function pickColumns(x: tf.Tensor2D, ids: tf.Tensor1D): tf.Tensor1D {
  return kernelOr(
    "PickColumns",
    { x, ids },
    () => tf.sum(tf.mul(x, tf.oneHot(ids, x.shape[1])), 1),
  );
}

/** Adds `values` [R] to one element of each row of x [R, C], at the columns `ids` (int32 [R], in [0, C)). */
export function addAtColumns(x: tf.Tensor2D, ids: tf.Tensor1D, values: tf.Tensor1D): tf.Tensor2D {
  return kernelOr(
    "AddAtColumns",
    { x, ids, values },
    () => tf.add(x, tf.mul(tf.oneHot(ids, x.shape[1]), tf.reshape(values, [-1, 1]))),
  );
}

/**
 * Adds each row of x [R, C] to the row of the result [rows, C] whose index is in `ids` (int32 [R]). This is
 * the gradient of looking rows up in a table.
 */
export function sumRowsAt(x: tf.Tensor2D, ids: tf.Tensor1D, rows: number): tf.Tensor2D {
  return kernelOr("SumRowsAt", { x, ids }, () => tf.unsortedSegmentSum(x, ids, rows), { rows });
}
