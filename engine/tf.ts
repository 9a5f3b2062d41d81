/**
 * TensorFlow.js, the modelling language and the autodiff of this project. Everything imports it from
 * here, so that its settings are made once: npm:@tensorflow/tfjs as a whole, because tfjs-core alone
 * registers no gradients under Deno; production mode, because the other prints an advertisement on
 * first use and copies every result to look for NaN.
 */
import * as tf from "@tensorflow/tfjs";

tf.env().set("PROD", true);

export * from "@tensorflow/tfjs";

/** A tensor of any rank. */
export type Tensor = tf.Tensor;
/** A tensor of rank 0. */
export type Scalar = tf.Scalar;
/** A tensor of rank 1. */
export type Tensor1D = tf.Tensor1D;
/** A tensor of rank 2. */
export type Tensor2D = tf.Tensor2D;
/** A tensor of rank 3. */
export type Tensor3D = tf.Tensor3D;
/** A tensor of rank 4. */
export type Tensor4D = tf.Tensor4D;

/** Whether a value is a tensor. */
export function isTensor(value: unknown): value is tf.Tensor {
  return value instanceof tf.Tensor;
}
