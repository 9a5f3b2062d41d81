/** Adam's arithmetic as one operation, where a device has it; elsewhere put together from tfjs's. */
import { UserError } from "./errors.ts";
import { hasKernel } from "./fused.ts";
import * as tf from "./tf.ts";
import { sizeOf } from "./tree.ts";

/** About as many numbers are updated at a time: the arithmetic's operands then stay in a cache. */
const ROW = 200_000;

/** The shape [rows, columns] in which a tensor is updated row by row; its own if it is small. */
export function adamRows(shape: readonly number[]): readonly number[] {
  const size = sizeOf(shape);
  if (size < 2 * ROW) return shape;
  for (let rows = Math.ceil(size / ROW); rows <= size; rows++) {
    if (size % rows === 0) return [rows, size / rows];
  }
  return shape;
}

/** Tensors of one shape that a step of Adam changes. */
export interface AdamTensors {
  /** The parameter. */
  readonly parameter: tf.Tensor;
  /** The decayed mean of its gradients. */
  readonly mean: tf.Tensor;
  /** The decayed mean of their squares. */
  readonly variance: tf.Tensor;
  /** The parameter's exponential moving average, if one is kept. */
  readonly average?: tf.Tensor;
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
  /** Of the way from the average to the new parameter: 1 - its decay. Wanted where an average is. */
  readonly average?: tf.Tensor;
}

/**
 * One step of Adam with decoupled weight decay:
 * m' = a m + b g, v' = c v + d g^2, p' = decay p - rate m' / (sqrt(v') + epsilon),
 * and of the moving average, where one is kept: e' = e + average (p' - e).
 *
 * A device may work row by row, so that what is computed in between stays in the processor's cache:
 * give vectors of millions in the shape that {@linkcode adamRows} has for them.
 *
 * @throws {UserError} If there is an average but no factor for it, or the other way about.
 */
export function adamUpdate(
  { parameter, mean, variance, average }: AdamTensors,
  gradient: tf.Tensor,
  factors: AdamFactors,
): AdamTensors {
  if ((average === undefined) !== (factors.average === undefined)) {
    throw new UserError("Adam's moving average and its factor are given together or not at all.");
  }
  if (hasKernel("AdamUpdate")) {
    const averaged = average === undefined ? {} : { average };
    const inputs = { parameter, mean, variance, gradient, ...averaged, ...prefixed(factors) };
    const [p, m, v, e] = tf.engine().runKernel("AdamUpdate", inputs) as unknown as tf.Tensor[];
    return withAverage({ parameter: p!, mean: m!, variance: v! }, e);
  }
  const newMean = tf.add(tf.mul(mean, factors.mean), tf.mul(gradient, factors.gradient));
  const newVariance = tf.add(
    tf.mul(variance, factors.variance),
    tf.mul(tf.square(gradient), factors.square),
  );
  const ratio = tf.div(newMean, tf.add(tf.sqrt(newVariance), factors.epsilon));
  const updated = tf.sub(tf.mul(parameter, factors.decay), tf.mul(ratio, factors.rate));
  const newAverage = average &&
    tf.add(average, tf.mul(tf.sub(updated, average), factors.average!));
  return withAverage({ parameter: updated, mean: newMean, variance: newVariance }, newAverage);
}

function withAverage(tensors: AdamTensors, average: tf.Tensor | undefined): AdamTensors {
  return average === undefined ? tensors : { ...tensors, average };
}

/** The factors under names that do not collide with the tensors'. */
function prefixed(factors: AdamFactors): Record<string, tf.Tensor> {
  return Object.fromEntries(
    Object.entries(factors).map(([name, factor]) => [`${name}Factor`, factor as tf.Tensor]),
  );
}
