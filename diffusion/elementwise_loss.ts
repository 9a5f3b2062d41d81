/** Distances between what a denoiser gave and what it should have given, element by element. */

import * as tf from "../engine/tf.ts";
import { requireNumber, requireOneOf } from "../base/checks.ts";

/** Names of the distances. */
export const lossTypes = ["mse", "l1", "huber"] as const;
/**
 * A name of {@linkcode lossTypes}: with the difference d, "mse" is d^2, "l1" is |d|, and "huber" is
 * d^2 / 2 up to huberDelta and from there the straight line huberDelta (|d| - huberDelta / 2), so that
 * single large errors pull no harder than others (Huber 1964). PyTorch's smooth L1 is "huber" divided by
 * huberDelta; at 1 they are the same.
 */
export type LossType = typeof lossTypes[number];

/** Settings of {@linkcode elementwiseLoss}. */
export interface ElementwiseLossOptions {
  /** Which distance. @default {"mse"} */
  lossType?: LossType;
  /** "huber": where the parabola becomes a line, positive. @default {1} */
  huberDelta?: number;
}

/**
 * The distance of each element.
 *
 * @param output [B, ...]
 * @param target [B, ...]
 * @returns [B, ...], at least 0.
 * @throws {UserError} If the name is unknown or huberDelta is not positive.
 */
export function elementwiseLoss(
  output: tf.Tensor,
  target: tf.Tensor,
  { lossType = "mse", huberDelta = 1 }: ElementwiseLossOptions = {},
): tf.Tensor {
  requireNumber("huberDelta", huberDelta, Number.MIN_VALUE);
  switch (requireOneOf("lossType", lossType, lossTypes)) {
    case "mse":
      return tf.squaredDifference(output, target);
    case "l1":
      return tf.abs(tf.sub(output, target));
    case "huber": {
      const distance = tf.abs(tf.sub(output, target));
      // With q = min(|d|, delta), both pieces are q^2 / 2 + delta (|d| - q): no branch to choose.
      const within = tf.minimum(distance, huberDelta);
      const parabola = tf.mul(tf.square(within), 0.5);
      return tf.add(parabola, tf.mul(tf.sub(distance, within), huberDelta));
    }
  }
}
