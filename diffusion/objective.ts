/**
 * The training objective: the squared error of a denoiser at a random time step (Ho et al. 2020,
 * equation 14), for any of the three parameterisations.
 */
import { UserError } from "../engine/errors.ts";
import * as tf from "../engine/tf.ts";
import { float32, type HostArray } from "../engine/tree.ts";
import type { Parameters } from "../nn/parameters.ts";
import { requireInteger } from "./checks.ts";
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

/**
 * Puts a batch together: the schedule's tables are looked up here, in float64, and only what the
 * examples need is sent to the device.
 *
 * @param weights The loss's weight at each time step [T]; 1 by default.
 * @throws {UserError} If lengths do not fit or a time step is out of range, which would become NaN.
 */
export function diffusionBatch(schedule: NoiseSchedule, options: {
  x0: HostArray;
  noise: Float32Array;
  timesteps: Int32Array;
  condition?: Record<string, HostArray>;
  weights?: ArrayLike<number>;
}): DiffusionBatch {
  const { x0, noise, timesteps, condition = {}, weights } = options;
  const size = timesteps.length;
  if (noise.length !== x0.data.length || size !== x0.shape[0]) {
    throw new UserError(
      `samples of shape [${
        x0.shape.join(", ")
      }] do not go with ${noise.length} numbers of noise and ` +
        `${size} time steps: give as many of each`,
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
    [signal, sigma, ofX0, ofNoise, weights?.[t] ?? 1].forEach((factor, row) => {
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
  }
>;

/**
 * Squared errors of a denoiser on a batch, the mean over each example's elements: [B], weighted and as
 * they are.
 */
export function diffusionLosses(
  denoise: DenoiserFunction,
  parameters: Parameters,
  { x0, noise, timesteps, factors, condition }: BatchTensors,
): { weighted: tf.Tensor; plain: tf.Tensor } {
  const ones = Array(x0.rank - 1).fill(1);
  const [signal, sigma, ofX0, ofNoise, weight] = tf.unstack(factors as tf.Tensor2D)
    .map((row) => tf.reshape(row, [-1, ...ones])) as [
      tf.Tensor,
      tf.Tensor,
      tf.Tensor,
      tf.Tensor,
      tf.Tensor,
    ]; // each [B, 1, ...]
  const x = tf.add(tf.mul(x0, signal), tf.mul(noise, sigma));
  const target = tf.add(tf.mul(x0, ofX0), tf.mul(noise, ofNoise));
  const output = denoise(parameters, {
    x,
    timesteps: timesteps as tf.Tensor1D,
    condition,
  });
  const axes = ones.map((_, i) => i + 1);
  const plain = tf.mean(tf.squaredDifference(output, target), axes); // [B]
  return { weighted: tf.mul(plain, tf.reshape(weight, [-1])), plain };
}

/** A batch, and the time steps that its examples are at. */
export interface TimedBatch {
  /** The batch. */
  readonly batch: DiffusionBatch;
  /** Time steps [B]. */
  readonly timesteps: Int32Array;
}
