/** Adam's arithmetic as one operation, where a device has it; elsewhere put together from tfjs's. */
import { hasKernel } from "./fused.ts";
import * as tf from "./tf.ts";

/** Tensors of one shape that a step of Adam changes. */
export interface AdamTensors {
  /** The parameter. */
  readonly parameter: tf.Tensor;
  /** The decayed mean of its gradients. */
  readonly mean: tf.Tensor;
  /** The decayed mean of their squares. */
  readonly variance: tf.Tensor;
}

/** The factors of a step of Adam, scalars all. */
export interface AdamFactors {
  /** Of the mean: beta1. */
  readonly mean: tf.Tensor;
  /** Of the gradient in the mean: 1 - beta1, times what clips. */
  readonly gradient: tf.Tensor;
  /** Of the variance: beta2. */
  readonly variance: tf.Tensor;
  /** Of the gradient's square: 1 - beta2, times the square of what clips. */
  readonly square: tf.Tensor;
  /** What is added to the root of the variance: epsilon, times the root of 1 - beta2^step. */
  readonly epsilon: tf.Tensor;
  /** Of mean / root: the learning rate, times the root of 1 - beta2^step, over 1 - beta1^step. */
  readonly rate: tf.Tensor;
  /** Of the parameter: 1 - learning rate * weight decay. */
  readonly decay: tf.Tensor;
}

/**
 * One step of Adam with decoupled weight decay:
 * m' = a m + b g, v' = c v + d g^2, p' = decay p - rate m' / (sqrt(v') + epsilon).
 *
 * A device may work row by row, so that what is computed in between stays in the processor's cache:
 * give vectors of millions as [rows, about 200,000].
 */
export function adamUpdate(
  { parameter, mean, variance }: AdamTensors,
  gradient: tf.Tensor,
  factors: AdamFactors,
): AdamTensors {
  if (hasKernel("AdamUpdate")) {
    const inputs = { parameter, mean, variance, gradient, ...prefixed(factors) };
    const [p, m, v] = tf.engine().runKernel("AdamUpdate", inputs) as unknown as tf.Tensor[];
    return { parameter: p!, mean: m!, variance: v! };
  }
  const newMean = tf.add(tf.mul(mean, factors.mean), tf.mul(gradient, factors.gradient));
  const newVariance = tf.add(
    tf.mul(variance, factors.variance),
    tf.mul(tf.square(gradient), factors.square),
  );
  const ratio = tf.div(newMean, tf.add(tf.sqrt(newVariance), factors.epsilon));
  const updated = tf.sub(tf.mul(parameter, factors.decay), tf.mul(ratio, factors.rate));
  return { parameter: updated, mean: newMean, variance: newVariance };
}

/** The factors under names that do not collide with the tensors'. */
function prefixed(factors: AdamFactors): Record<string, tf.Tensor> {
  return Object.fromEntries(
    Object.entries(factors).map(([name, factor]) => [`${name}Factor`, factor as tf.Tensor]),
  );
}
