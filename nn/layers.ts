/**
 * Layers as functions of parameters, a name and tensors. Weights have PyTorch's shapes: [out, in] for a
 * linear layer, [out, in, height, width] for a convolution. Initial values are PyTorch's defaults.
 */
import * as tf from "../engine/tf.ts";
import { affine } from "./affine.ts";
import { type Initializer, parameter, type Parameters, type ParameterSpecs } from "./parameters.ts";

/** Options for the parameters of a layer. */
export interface LayerSpecOptions {
  /** Whether there is a bias. @default {true} */
  bias?: boolean;
  /**
   * Whether parameters start at zero, so that a residual block starts as the identity (Ho et al. 2020,
   * appendix B; Goyal et al. 2017). @default {false}
   */
  zero?: boolean;
}

function affineSpecs(
  name: string,
  weightShape: readonly number[],
  { bias = true, zero = false }: LayerSpecOptions,
): ParameterSpecs {
  const fanIn = weightShape.slice(1).reduce((a, b) => a * b, 1);
  // Kaiming-uniform with a = sqrt(5), PyTorch's default for weight and bias.
  const initializer: Initializer = zero ? { constant: 0 } : { bound: 1 / Math.sqrt(fanIn) };
  return {
    [`${name}.weight`]: { shape: weightShape, initializer },
    ...(bias ? { [`${name}.bias`]: { shape: [weightShape[0]!], initializer } } : {}),
  };
}

/** The parameters of {@linkcode linear}: weight [out, in], bias [out]. */
export function linearSpecs(
  name: string,
  inFeatures: number,
  outFeatures: number,
  options: LayerSpecOptions = {},
): ParameterSpecs {
  return affineSpecs(name, [outFeatures, inFeatures], options);
}

/**
 * x W^T + b over the last axis.
 *
 * @param x [..., in]
 * @returns [..., out]
 */
export function linear(parameters: Parameters, name: string, x: tf.Tensor): tf.Tensor {
  const weight = parameter(parameters, `${name}.weight`) as tf.Tensor2D;
  const bias = parameters[`${name}.bias`] as tf.Tensor1D | undefined;
  if (bias !== undefined) return affine(x, weight, bias, { transposeWeight: true });
  const [out, features] = weight.shape;
  const rows = tf.reshape(x, [-1, features]) as tf.Tensor2D;
  return tf.reshape(tf.matMul(rows, weight, false, true), [...x.shape.slice(0, -1), out]);
}

/**
 * Several linear layers of the same input as one matrix product, which has less overhead than many small
 * ones.
 *
 * @param x [..., in]
 * @returns [..., out] for each name.
 */
export function linears(
  parameters: Parameters,
  names: readonly string[],
  x: tf.Tensor,
): tf.Tensor[] {
  const weights = names.map((name) => parameter(parameters, `${name}.weight`) as tf.Tensor2D);
  const biases = names.map((name) => parameter(parameters, `${name}.bias`) as tf.Tensor1D);
  const joined = { "all.weight": tf.concat(weights, 0), "all.bias": tf.concat(biases, 0) };
  return tf.split(linear(joined, "all", x), weights.map(({ shape }) => shape[0]), x.rank - 1);
}

/** The parameters of {@linkcode conv2d}: weight [out, in, k, k], bias [out]. */
export function conv2dSpecs(
  name: string,
  inChannels: number,
  outChannels: number,
  kernelSize: number,
  options: LayerSpecOptions = {},
): ParameterSpecs {
  return affineSpecs(name, [outChannels, inChannels, kernelSize, kernelSize], options);
}

/** Options of {@linkcode conv2d}. */
export interface Conv2dOptions {
  /** The step between windows. @default {1} */
  stride?: number;
  /** The number of zeros on every side. @default {0} */
  padding?: number;
}

/**
 * A two-dimensional convolution.
 *
 * @param x [B, H, W, in]
 * @returns [B, (H + 2 padding - k) / stride + 1, ..., out]
 */
export function conv2d(
  parameters: Parameters,
  name: string,
  x: tf.Tensor4D,
  { stride = 1, padding = 0 }: Conv2dOptions = {},
): tf.Tensor4D {
  const weight = parameter(parameters, `${name}.weight`);
  const bias = parameters[`${name}.bias`];
  return tf.fused.conv2d({
    x,
    filter: tf.transpose(weight, [2, 3, 1, 0]) as tf.Tensor4D, // [k, k, in, out]
    strides: stride,
    pad: padding,
    dimRoundingMode: "floor",
    ...(bias && { bias }),
  });
}

/** The parameters of {@linkcode embedding}: weight [count, features], standard normal. */
export function embeddingSpecs(name: string, count: number, features: number): ParameterSpecs {
  return { [`${name}.weight`]: { shape: [count, features], initializer: { deviation: 1 } } };
}

/**
 * Looks rows up in a table.
 *
 * @param ids Integers in [0, count), any shape.
 * @returns [...ids, features]
 */
export function embedding(parameters: Parameters, name: string, ids: tf.Tensor): tf.Tensor {
  return tf.gather(parameter(parameters, `${name}.weight`), ids as tf.Tensor1D);
}

/** The parameters of a normalization: weight and bias [channels], ones and zeros. */
export function normSpecs(name: string, channels: number): ParameterSpecs {
  return {
    [`${name}.weight`]: { shape: [channels], initializer: { constant: 1 } },
    [`${name}.bias`]: { shape: [channels], initializer: { constant: 0 } },
  };
}
