/** The distance between a prediction and its target, and the weights of losses by timestep. */
import { requireInteger, requireNumber, requireOneOf } from "../base/checks.ts";
import * as tf from "../engine/tf.ts";
import type { NoiseSchedule } from "./schedules.ts";

/** Names of the distances. */
export const lossTypes = ["mse", "l1", "huber"] as const;
/**
 * A name of {@linkcode lossTypes}. With the difference d, "mse" is d^2 and "l1" is |d|. "huber" is d^2 / 2
 * up to huberDelta and the straight line huberDelta (|d| - huberDelta / 2) beyond, which bounds the
 * gradient of large errors (Huber 1964). PyTorch's smooth L1 is "huber" divided by huberDelta.
 */
export type LossType = typeof lossTypes[number];

/** Settings of {@linkcode elementwiseLoss}. */
export interface ElementwiseLossOptions {
  /** The distance. @default {"mse"} */
  lossType?: LossType;
  /** "huber": the difference from which the loss is linear, positive. @default {1} */
  huberDelta?: number;
}

/** The distance of each element of [B, ...] from its target. */
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
      // With q = min(|d|, delta), both pieces are q^2 / 2 + delta (|d| - q), without a branch.
      const within = tf.minimum(distance, huberDelta);
      const parabola = tf.mul(tf.square(within), 0.5);
      return tf.add(parabola, tf.mul(tf.sub(distance, within), huberDelta));
    }
  }
}

/** The loss weight of each timestep [T]; undefined if all have weight 1. */
export function lossWeightsOf(
  { minSnrGamma, p2Gamma, p2K }: { minSnrGamma: number; p2Gamma: number; p2K: number },
  schedule: NoiseSchedule,
): Float64Array | undefined {
  if (minSnrGamma > 0) return minSnrWeights(schedule, { gamma: minSnrGamma });
  return p2Gamma > 0 ? p2Weights(schedule, { gamma: p2Gamma, k: p2K }) : undefined;
}

/** Settings of {@linkcode minSnrWeights}. */
export interface MinSnrOptions {
  /** The bound of the signal-to-noise ratio in the weights, positive. @default {5} */
  gamma?: number;
}

/**
 * Weights for the squared error of the schedule's predictionType that make it min(SNR, gamma) times the
 * squared error of x0 (Hang et al. 2023, "Efficient Diffusion Training via Min-SNR Weighting Strategy").
 *
 * @returns [T]: min(SNR, gamma) for sample, divided by SNR for epsilon and by SNR + 1 for v_prediction.
 * @throws {UserError} If gamma is not a positive number.
 */
export function minSnrWeights(
  schedule: NoiseSchedule,
  { gamma = 5 }: MinSnrOptions = {},
): Float64Array {
  requireNumber("gamma", gamma, Number.MIN_VALUE);
  return snr(schedule).map((ratio) => {
    switch (schedule.predictionType) {
      case "epsilon":
        return Math.min(1, gamma / ratio); // not min(ratio, gamma) / ratio, which is 0 / 0 at ratio 0
      case "sample":
        return Math.min(ratio, gamma);
      case "v_prediction":
        return Math.min(ratio, gamma) / (ratio + 1);
    }
  });
}

/** Settings of {@linkcode p2Weights}. */
export interface P2Options {
  /** The exponent, at least 0: greater values reduce the weight of little noise more. @default {1} */
  gamma?: number;
  /** Keeps weights finite where there is no signal, positive. @default {1} */
  k?: number;
}

/**
 * Weights for the squared error of the schedule's predictionType that make it 1 / (k + SNR)^gamma times
 * the squared error of epsilon. Timesteps with little noise, where an image's content is already visible,
 * weigh less (Choi et al. 2022, "Perception Prioritized Training of Diffusion Models", equation 8).
 *
 * @returns [T]: 1 / (k + SNR)^gamma for epsilon, times SNR for sample and SNR / (SNR + 1) for
 * v_prediction.
 * @throws {UserError} If gamma is negative or k not positive.
 */
export function p2Weights(
  schedule: NoiseSchedule,
  { gamma = 1, k = 1 }: P2Options = {},
): Float64Array {
  requireNumber("gamma", gamma, 0);
  requireNumber("k", k, Number.MIN_VALUE);
  // The squared error of epsilon divided by that of the prediction.
  const share = {
    epsilon: () => 1,
    sample: (ratio: number) => ratio,
    v_prediction: (ratio: number) => ratio / (ratio + 1),
  }[schedule.predictionType];
  return snr(schedule).map((ratio) => share(ratio) / (k + ratio) ** gamma);
}

/** The quarter of the T timesteps that t lies in: 0 (the cleanest) to 3 (the noisiest). */
export function timestepQuartile(t: number, numTrainTimesteps: number): 0 | 1 | 2 | 3 {
  requireInteger("timestep", t, 0, numTrainTimesteps - 1);
  return Math.floor((4 * t) / numTrainTimesteps) as 0 | 1 | 2 | 3;
}

/** The signal-to-noise ratio alphasCumprod / (1 - alphasCumprod) of every timestep [T]. */
export function snr(schedule: NoiseSchedule): Float64Array {
  return schedule.alphasCumprod.map((a) => a / (1 - a));
}
