/**
 * The hybrid objective L_simple + lambda L_vlb (Nichol and Dhariwal 2021, equation 16), for models that
 * also learn the variances of their steps. The variational bound L_vlb trains the variances only: it
 * treats predictions as constants.
 */
import { UserError } from "../base/errors.ts";
import * as tf from "../engine/tf.ts";
import type { HostArray } from "../engine/tree.ts";
import type { Parameters } from "../nn/parameters.ts";
import { requireNumber } from "../base/checks.ts";
import { elementwiseLoss, type ElementwiseLossOptions } from "./loss.ts";
import { varianceRanges } from "./learned_variance.ts";
import { EDGE, HALF_BIN, MIN_PROBABILITY } from "./likelihood.ts";
import { factorTable, meanPerExample, perExample, withoutGradient } from "./batch_ops.ts";
import {
  type BatchTensors,
  type DiffusionBatch,
  diffusionBatch,
  type DiffusionBatchOptions,
  type DiffusionLosses,
  noiseBatch,
  type TrainableDenoiser,
} from "./objective.ts";
import { x0Coefficients } from "./parameterisation.ts";
import { posteriorTables } from "./posterior.ts";
import type { NoiseSchedule } from "./schedules.ts";

/** A batch with the numbers that the bound needs. */
export type HybridBatch = DiffusionBatch & {
  /**
   * [5, B]: the factor of target - prediction in the difference of the two means; the log variances at
   * v = -1 and at v = 1; 1 at t = 0 and 0 elsewhere; the weight of the bound.
   */
  readonly variance: HostArray;
};

/**
 * Settings of {@linkcode hybridBatch}. `weights` apply to L_simple, `exampleWeights` to both parts of the
 * loss.
 */
export interface HybridBatchOptions extends DiffusionBatchOptions {
  /**
   * The weight of a timestep's term of the bound, in bits per dimension. The default is Nichol and
   * Dhariwal's lambda of 0.001 times T, since one term stands for all T. @default {T / 1000}
   */
  boundWeight?: number | undefined;
}

/**
 * Builds a batch for {@linkcode hybridLosses}.
 *
 * @throws {UserError} As diffusionBatch, or if the model predicts epsilon and the terminal SNR is zero.
 */
export function hybridBatch(schedule: NoiseSchedule, options: HybridBatchOptions): HybridBatch {
  const { boundWeight = schedule.numTrainTimesteps / 1000, ...rest } = options;
  requireNumber("boundWeight", boundWeight, 0);
  const batch = diffusionBatch(schedule, rest);
  const { timesteps, exampleWeights } = rest;
  const { x0Coefficients: ofX0 } = posteriorTables(schedule);
  const { low, high } = varianceRanges(schedule);
  const variance = factorTable(timesteps.length, (i) => {
    const t = timesteps[i]!;
    // The posterior's mean is ofX0 x0 + ... x_t with x0 = p output + q x_t. For the target this is exact,
    // so the difference of the means is ofX0 p (target - output): the device subtracts no large numbers.
    const [p] = x0Coefficients(schedule.predictionType, schedule.alphasCumprod[t]!);
    const weight = boundWeight * (exampleWeights?.[i] ?? 1);
    return [ofX0[t]! * p, low[t]!, high[t]!, t === 0 ? 1 : 0, weight];
  });
  return { ...batch, variance };
}

/** The losses of a batch's examples, see {@linkcode hybridLosses}. */
export interface HybridLosses extends DiffusionLosses {
  /** The terms of the variational bound in bits per dimension, without their weight [B]. */
  readonly bound: tf.Tensor;
}

/**
 * The losses of a denoiser that returns its prediction and v, the position of the log variance: see
 * learned_variance.ts. L_simple has the distance of `options` and the batch's weights. The bound is
 * added to it: the KL divergence from the posterior to the model's step, at t = 0 the negative
 * log-likelihood of the pixels.
 *
 * @param denoise Returns [B, ..., 2 C] for x of [B, ..., C].
 * @param batch Made by {@linkcode hybridBatch}; x0 are pixels in [-1, 1].
 * @throws {UserError} If the batch was not made by hybridBatch, or the model returns another number of
 * channels.
 */
export function hybridLosses(
  denoise: TrainableDenoiser,
  parameters: Parameters,
  batch: BatchTensors,
  options: ElementwiseLossOptions = {},
): HybridLosses {
  if (batch.variance === undefined) {
    throw new UserError("the batch has no variances: make it with hybridBatch()");
  }
  const { x0 } = batch;
  const { x, target, weight } = noiseBatch(batch);
  const output = denoise(parameters, {
    x,
    timesteps: batch.timesteps as tf.Tensor1D,
    condition: batch.condition,
  });
  const [channels, given] = [x.shape.at(-1)!, output.shape.at(-1)!];
  if (given !== 2 * channels) {
    throw new UserError(
      `the denoiser returned ${given} channels for ${channels}; to learn variances it must return ` +
        `${2 * channels}`,
    );
  }
  const [prediction, v] = tf.split(output, 2, -1) as [tf.Tensor, tf.Tensor]; // each [B, ..., C]
  const plain = meanPerExample(elementwiseLoss(prediction, target, options)); // [B]

  const [scale, low, high, isFirst, boundWeight] = perExample(batch.variance, x.rank);
  // The difference of the means; at t = 0, where the mean is the predicted x0, it is x0 - mean.
  const difference = withoutGradient(() => tf.mul(tf.sub(target, prediction), scale));
  const fraction = tf.mul(tf.add(v, 1), 0.5);
  const aboveLow = tf.mul(fraction, tf.sub(high, low));
  const logVariance = tf.add(low, aboveLow);
  // KL(posterior || model), equation 5 of Ho et al. 2020: 2 KL = e^-r - 1 + r + d^2 / variance, where r is
  // the logarithm of the ratio of the variances.
  const ofVariances = tf.add(tf.expm1(tf.neg(aboveLow)), aboveLow);
  const ofMeans = tf.mul(tf.square(difference), tf.exp(tf.neg(logVariance)));
  const divergence = tf.mul(tf.add(ofVariances, ofMeans), 0.5);
  const decoder = tf.neg(logLikelihood(x0, difference, logVariance));
  const nats = tf.add(tf.mul(divergence, tf.sub(1, isFirst)), tf.mul(decoder, isFirst));
  const bound = tf.mul(meanPerExample(nats), 1 / Math.LN2); // [B]
  const ofBound = tf.mul(bound, tf.reshape(boundWeight, [-1]));
  return { weighted: tf.add(tf.mul(plain, weight), ofBound), plain, bound };
}

/** A model with learned variances without its variances, for losses of predictions. */
export function predictionsAlone(denoise: TrainableDenoiser): TrainableDenoiser {
  return (parameters, inputs) => tf.split(denoise(parameters, inputs), 2, -1)[0]!;
}

/** discretizedGaussianLogLikelihood on the device; `centered` is x0 - mean. */
function logLikelihood(x0: tf.Tensor, centered: tf.Tensor, logVariance: tf.Tensor): tf.Tensor {
  const scale = tf.exp(tf.mul(logVariance, -0.5));
  const first = tf.cast(tf.less(x0, -EDGE), "float32");
  const last = tf.cast(tf.greater(x0, EDGE), "float32");
  const above = normalCdf(tf.mul(tf.add(centered, HALF_BIN), scale));
  const below = normalCdf(tf.mul(tf.sub(centered, HALF_BIN), scale));
  // The bins of the first and the last value are open: the upper bound is 1 at the last, the lower 0 at
  // the first.
  const upper = tf.add(above, tf.mul(last, tf.sub(1, above)));
  const lower = tf.mul(below, tf.sub(1, first));
  return tf.log(tf.maximum(tf.sub(upper, lower), MIN_PROBABILITY));
}

/** approximateNormalCdf on the device. */
function normalCdf(x: tf.Tensor): tf.Tensor {
  const cubic = tf.add(tf.mul(tf.square(x), 0.044715), 1);
  return tf.mul(tf.add(tf.tanh(tf.mul(tf.mul(x, cubic), Math.sqrt(2 / Math.PI))), 1), 0.5);
}
