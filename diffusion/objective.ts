/**
 * The training objective: the squared error, or another distance, of a denoiser at a random timestep
 * (Ho et al. 2020, equation 14), for each of the three parameterisations.
 */
import { UserError } from "../base/errors.ts";
import * as tf from "../engine/tf.ts";
import { float32, type HostArray } from "../engine/tree.ts";
import type { Parameters } from "../nn/parameters.ts";
import { requireInteger } from "../base/checks.ts";
import { elementwiseLoss, type ElementwiseLossOptions } from "./loss.ts";
import { factorTable, meanPerExample, perExample } from "./batch_ops.ts";
import { targetCoefficients } from "./parameterisation.ts";
import type { NoiseSchedule } from "./schedules.ts";

/** The inputs of a denoiser in training: noisy samples, their timesteps and the condition. */
export interface DenoiserInputs {
  /** Noisy samples [B, ...]. */
  readonly x: tf.Tensor;
  /** Timesteps [B]. */
  readonly timesteps: tf.Tensor1D;
  /** All further inputs by name. */
  readonly condition: Readonly<Record<string, tf.Tensor>>;
}

/** A denoiser as the training step calls it. */
export type TrainableDenoiser = (parameters: Parameters, inputs: DenoiserInputs) => tf.Tensor;

/** A batch on the host: examples with their noise and timesteps. */
export type DiffusionBatch = {
  /** Clean samples [B, ...]. */
  readonly x0: HostArray;
  /** Standard normal numbers [B, ...]. */
  readonly noise: HostArray;
  /** Timesteps [B]. */
  readonly timesteps: HostArray;
  /** Factors [5, B]: of x0 and noise in x_t, of x0 and noise in the target, and of the loss. */
  readonly factors: HostArray;
  /** The condition by name. */
  readonly condition: Readonly<Record<string, HostArray>>;
};

/** A batch on the device. */
export type BatchTensors = Readonly<
  Record<"x0" | "noise" | "timesteps" | "factors", tf.Tensor> & {
    condition: Readonly<Record<string, tf.Tensor>>;
    /** Added by hybridBatch [5, B]. */
    variance?: tf.Tensor;
  }
>;

/** A batch and the timesteps of its examples. */
export interface TimedBatch {
  /** The batch. */
  readonly batch: DiffusionBatch;
  /** Timesteps [B]. */
  readonly timesteps: Int32Array;
  /** The examples' own loss weights [B], if there are any. */
  readonly exampleWeights?: Float64Array | undefined;
}

/** The losses of a batch's examples. */
export interface DiffusionLosses {
  /** The loss to minimise [B]. */
  readonly weighted: tf.Tensor;
  /** The same without weights and further terms [B], for logs and comparisons. */
  readonly plain: tf.Tensor;
}

/** The loss whose mean a training step minimises, such as {@linkcode diffusionLosses}. */
export type LossFunction = (
  denoise: TrainableDenoiser,
  parameters: Parameters,
  batch: BatchTensors,
) => DiffusionLosses;

/** Settings of {@linkcode diffusionBatch}. */
export interface DiffusionBatchOptions {
  /** Clean samples [B, ...]. */
  x0: HostArray;
  /** Standard normal numbers [B, ...]. */
  noise: Float32Array;
  /** Timesteps [B], in [0, T). */
  timesteps: Int32Array;
  /** The condition by name. @default {{}} */
  condition?: Record<string, HostArray>;
  /** The loss weight of each timestep [T]. @default 1 for all */
  weights?: ArrayLike<number> | undefined;
  /**
   * The loss weight of each example [B], such as that of loss-aware timesteps. It multiplies the weight
   * of the example's timestep. @default 1 for all
   */
  exampleWeights?: ArrayLike<number> | undefined;
}

/**
 * Builds a batch. The schedule's tables are read here, in float64; only the factors that the examples
 * need are sent to the device.
 *
 * @throws {UserError} If lengths do not match or a timestep is out of range, which would become NaN.
 */
export function diffusionBatch(
  schedule: NoiseSchedule,
  options: DiffusionBatchOptions,
): DiffusionBatch {
  const { x0, noise, timesteps, condition = {}, weights, exampleWeights } = options;
  checkBatch(x0, noise, timesteps.length, exampleWeights);
  timesteps.forEach((t) => requireInteger("timestep", t, 0, schedule.numTrainTimesteps - 1));
  const factors = factorTable(timesteps.length, (i) => {
    const t = timesteps[i]!;
    const a = schedule.alphasCumprod[t]!;
    const weight = (weights?.[t] ?? 1) * (exampleWeights?.[i] ?? 1);
    return [
      Math.sqrt(a),
      Math.sqrt(1 - a),
      ...targetCoefficients(schedule.predictionType, a),
      weight,
    ];
  });
  return {
    x0,
    noise: float32(noise, x0.shape),
    timesteps: float32(Float32Array.from(timesteps)),
    factors,
    condition,
  };
}

/** Checks that a batch has noise for all elements, and a time and a weight for each example. */
export function checkBatch(
  x0: HostArray,
  noise: Float32Array,
  size: number,
  exampleWeights: ArrayLike<number> | undefined,
): void {
  if (noise.length !== x0.data.length || size !== x0.shape[0]) {
    throw new UserError(
      `samples of shape [${x0.shape.join(", ")}], ${noise.length} numbers of noise and ${size} ` +
        "timesteps do not match: give noise of the samples' shape and one timestep per example",
    );
  }
  if (exampleWeights !== undefined && exampleWeights.length !== size) {
    throw new UserError(
      `${exampleWeights.length} exampleWeights for ${size} examples: give one per example`,
    );
  }
}

/** Mixes a batch's samples and noise on the device: x_t [B, ...], its target and the loss weights [B]. */
export function noiseBatch({ x0, noise, factors }: BatchTensors) {
  const [signal, sigma, ofX0, ofNoise, weight] = perExample(factors, x0.rank);
  return {
    x: tf.add(tf.mul(x0, signal), tf.mul(noise, sigma)),
    target: tf.add(tf.mul(x0, ofX0), tf.mul(noise, ofNoise)),
    weight: tf.reshape(weight, [-1]), // [B]
  };
}

/**
 * The losses of a denoiser on a batch: for each example the mean over its elements.
 *
 * @param options Which distance is taken; the squared error by default.
 */
export function diffusionLosses(
  denoise: TrainableDenoiser,
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
