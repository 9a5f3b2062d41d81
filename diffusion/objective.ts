/**
 * The training objective: the squared error (or another distance) of a denoiser at a random time step
 * (Ho et al. 2020, equation 14), for any of the three parameterisations.
 */
import { UserError } from "../base/errors.ts";
import * as tf from "../engine/tf.ts";
import { float32, type HostArray } from "../engine/tree.ts";
import type { Parameters } from "../nn/parameters.ts";
import { requireInteger } from "../base/checks.ts";
import { elementwiseLoss, type ElementwiseLossOptions } from "./loss.ts";
import { meanPerExample, perExample } from "./batch_ops.ts";
import type { NoiseSchedule } from "./schedules.ts";

/** What a denoiser is asked in training: noisy samples, their time steps, and its condition. */
export interface DenoiserInputs {
  /** [B, ...] */
  readonly x: tf.Tensor;
  /** [B] */
  readonly timesteps: tf.Tensor1D;
  /** Whatever else the model is given, by name. */
  readonly condition: Readonly<Record<string, tf.Tensor>>;
}

/** A denoiser as the training step sees it. */
export type DenoiserFunction = (parameters: Parameters, inputs: DenoiserInputs) => tf.Tensor;

/** Examples with their noise and time steps, as the graph takes them. */
export type DiffusionBatch = {
  /** Clean samples [B, ...]. */
  readonly x0: HostArray;
  /** Standard normal numbers [B, ...]. */
  readonly noise: HostArray;
  /** Time steps [B]. */
  readonly timesteps: HostArray;
  /** Factors [5, B] of x0 and noise in x_t, of x0 and noise in the target, and of the loss. */
  readonly factors: HostArray;
  /** The condition by name. */
  readonly condition: Readonly<Record<string, HostArray>>;
};

/** What {@linkcode diffusionBatch} makes a batch of. */
export interface DiffusionBatchOptions {
  /** Clean samples [B, ...]. */
  x0: HostArray;
  /** Standard normal numbers [B, ...]. */
  noise: Float32Array;
  /** Time steps [B], in [0, T). */
  timesteps: Int32Array;
  /** The condition by name. @default {{}} */
  condition?: Record<string, HostArray>;
  /** The loss's weight at each time step [T]. @default 1 for all */
  weights?: ArrayLike<number>;
  /**
   * The loss's weight of each example [B], such as that of loss-aware time steps; it multiplies the
   * weight of its time step. @default 1 for all
   */
  exampleWeights?: ArrayLike<number>;
}

/**
 * Puts a batch together: the schedule's tables are looked up here, in float64, and only what the
 * examples need is sent to the device.
 *
 * @throws {UserError} If lengths do not fit or a time step is out of range, which would become NaN.
 */
export function diffusionBatch(
  schedule: NoiseSchedule,
  options: DiffusionBatchOptions,
): DiffusionBatch {
  const { x0, noise, timesteps, condition = {}, weights, exampleWeights } = options;
  const size = timesteps.length;
  if (noise.length !== x0.data.length || size !== x0.shape[0]) {
    throw new UserError(
      `samples of shape [${
        x0.shape.join(", ")
      }] do not go with ${noise.length} numbers of noise and ` +
        `${size} time steps: give as many of each`,
    );
  }
  if (exampleWeights !== undefined && exampleWeights.length !== size) {
    throw new UserError(
      `${exampleWeights.length} weights of examples do not go with ${size} examples`,
    );
  }
  timesteps.forEach((t) => requireInteger("timestep", t, 0, schedule.numTrainTimesteps - 1));
  const factors = new Float32Array(5 * size);
  timesteps.forEach((t, i) => {
    const signal = Math.sqrt(schedule.alphasCumprod[t]!);
    const sigma = Math.sqrt(1 - schedule.alphasCumprod[t]!);
    // Of x0 and of the noise in the target: v is signal * noise - sigma * x0 (Salimans and Ho 2022).
    const target = { epsilon: [0, 1], sample: [1, 0], v_prediction: [-sigma, signal] } as const;
    const [ofX0, ofNoise] = target[schedule.predictionType];
    const weight = (weights?.[t] ?? 1) * (exampleWeights?.[i] ?? 1);
    [signal, sigma, ofX0, ofNoise, weight].forEach((factor, row) => {
      factors[row * size + i] = factor;
    });
  });
  return {
    x0,
    noise: float32(noise, x0.shape),
    timesteps: float32(Float32Array.from(timesteps)),
    factors: float32(factors, [5, size]),
    condition,
  };
}

/** A batch on the device. */
export type BatchTensors = Readonly<
  Record<"x0" | "noise" | "timesteps" | "factors", tf.Tensor> & {
    condition: Readonly<Record<string, tf.Tensor>>;
    /** What hybridBatch adds [5, B]. */
    variance?: tf.Tensor;
  }
>;

/** The losses of a batch's examples. */
export interface DiffusionLosses {
  /** What is trained on [B]. */
  readonly weighted: tf.Tensor;
  /** The same without weights and further terms [B], for records and for comparisons. */
  readonly plain: tf.Tensor;
}

/** What a training step minimises the mean of: {@linkcode diffusionLosses} or another of its shape. */
export type LossFunction = (
  denoise: DenoiserFunction,
  parameters: Parameters,
  batch: BatchTensors,
) => DiffusionLosses;

/** What a batch asks of a denoiser: x_t, and what the answer should be; both [B, ...]. */
export interface NoisedBatch {
  /** x_t. */
  readonly x: tf.Tensor;
  /** The target in the schedule's predictionType. */
  readonly target: tf.Tensor;
  /** The loss's weight of each example [B]. */
  readonly weight: tf.Tensor;
}

/** Mixes a batch's samples and noise on the device. */
export function noiseBatch({ x0, noise, factors }: BatchTensors): NoisedBatch {
  const [signal, sigma, ofX0, ofNoise, weight] = perExample(factors, x0.rank) as [
    tf.Tensor,
    tf.Tensor,
    tf.Tensor,
    tf.Tensor,
    tf.Tensor,
  ]; // each [B, 1, ...]
  return {
    x: tf.add(tf.mul(x0, signal), tf.mul(noise, sigma)),
    target: tf.add(tf.mul(x0, ofX0), tf.mul(noise, ofNoise)),
    weight: tf.reshape(weight, [-1]), // [B]
  };
}

/**
 * Errors of a denoiser on a batch, the mean over each example's elements: [B], weighted and as they are.
 *
 * @param options Squared errors by default; `lossType` says which others there are.
 */
export function diffusionLosses(
  denoise: DenoiserFunction,
  parameters: Parameters,
  batch: BatchTensors,
  options: ElementwiseLossOptions = {},
): DiffusionLosses {
  const { x, target, weight } = noiseBatch(batch);
  const output = denoise(parameters, {
    x,
    timesteps: batch.timesteps as tf.Tensor1D,
    condition: batch.condition,
  });
  const plain = meanPerExample(elementwiseLoss(output, target, options)); // [B]
  return { weighted: tf.mul(plain, weight), plain };
}

/** A batch, and the time steps that its examples are at. */
export interface TimedBatch {
  /** The batch. */
  readonly batch: DiffusionBatch;
  /** Time steps [B]. */
  readonly timesteps: Int32Array;
  /** What the examples' losses were multiplied by besides, if by anything [B]. */
  readonly exampleWeights?: Float64Array;
}
