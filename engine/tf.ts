/**
 * TensorFlow.js with this project's settings; all other files import it from here. It is all of
 * npm:@tensorflow/tfjs, because tfjs-core alone registers no gradients under Deno. It is in production mode,
 * because the other mode prints an advertisement on first use and copies every result to search for NaN.
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
