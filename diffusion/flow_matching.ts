/**
 * Flow matching along straight lines (Liu et al. 2023, "Flow Straight and Fast"; Lipman et al. 2023):
 * an objective of its own, without a noise schedule. Time runs from 0 (clean) to 1 (noise), and
 *
 *     x_t = (1 - t) x0 + t noise        velocity = d x_t / d t = noise - x0
 *
 * The model is trained to give the velocity; the sampler flowEuler follows it from noise back to t = 0.
 */

import { usageError, UserError } from "../base/errors.ts";
import { float32, type HostArray } from "../engine/tree.ts";
import type { RandomStream } from "../nn/random.ts";
import { requireInteger, requireNumber, requireOneOf } from "../base/checks.ts";
import type { DiffusionBatch } from "./objective.ts";
import type { Coefficients } from "./rows.ts";

/** Names of the densities of times in training. */
export const flowTimeDensities = ["uniform", "logit_normal"] as const;
/**
 * A name of {@linkcode flowTimeDensities}: "logit_normal" is the logistic function of a normal number,
 * which prefers the middle, where the velocity is hardest to tell (Esser et al. 2024, "Scaling Rectified
 * Flow Transformers", equation 19).
 */
export type FlowTimeDensity = typeof flowTimeDensities[number];

/** Settings of {@linkcode drawFlowTimes}. */
export interface FlowTimeOptions {
  /** Which density. @default {"logit_normal"} */
  density?: FlowTimeDensity;
  /** "logit_normal": the normal number's mean; above 0 prefers noise. @default {0} */
  logitMean?: number;
  /** "logit_normal": its deviation, positive. @default {1} */
  logitStd?: number;
}

/**
 * Times for a batch.
 *
 * @param random The stream to draw from.
 * @param count B.
 * @returns [B], in [0, 1].
 * @throws {UserError} If an option is not as it must be.
 */
export function drawFlowTimes(
  random: RandomStream,
  count: number,
  options: FlowTimeOptions = {},
): Float32Array {
  const { density = "logit_normal", logitMean = 0, logitStd = 1 } = options;
  requireInteger("count", count, 1);
  requireOneOf("density", density, flowTimeDensities);
  requireNumber("logitStd", logitStd, Number.MIN_VALUE);
  if (!Number.isFinite(logitMean)) {
    throw usageError(`logitMean is ${logitMean}; it must be a number`);
  }
  if (density === "uniform") return random.uniform(count);
  return random.normal(count).map((z) => 1 / (1 + Math.exp(-(logitMean + logitStd * z))));
}

/** What {@linkcode flowBatch} makes a batch of. */
export interface FlowBatchOptions {
  /** Clean samples [B, ...]. */
  x0: HostArray;
  /** Standard normal numbers [B, ...]. */
  noise: Float32Array;
  /** Times [B], in [0, 1]. */
  times: ArrayLike<number>;
  /**
   * T, which makes a time the timestep t T that the model is told: its embedding is made for numbers of
   * that size. The sampler must be told the same. @default {1000}
   */
  numTrainTimesteps?: number;
  /** The condition by name. @default {{}} */
  condition?: Record<string, HostArray>;
  /** The loss's weight of each example [B]. @default 1 for all */
  exampleWeights?: ArrayLike<number>;
}

/**
 * Puts a batch together for diffusionLosses, which makes x_t and the velocity of it and compares the
 * latter with the model's output: whatever trains a diffusion model trains a flow too.
 *
 * @throws {UserError} If lengths do not fit or a time is outside [0, 1].
 */
export function flowBatch(options: FlowBatchOptions): DiffusionBatch {
  const { x0, noise, times, numTrainTimesteps: T = 1000, condition = {} } = options;
  const { exampleWeights } = options;
  requireInteger("numTrainTimesteps", T, 2);
  const size = times.length;
  if (noise.length !== x0.data.length || size !== x0.shape[0]) {
    throw new UserError(
      `samples of shape [${x0.shape.join(", ")}] do not go with ${noise.length} numbers of noise ` +
        `and ${size} times: give as many of each`,
    );
  }
  if (exampleWeights !== undefined && exampleWeights.length !== size) {
    throw new UserError(
      `${exampleWeights.length} weights of examples do not go with ${size} examples`,
    );
  }
  const factors = new Float32Array(5 * size);
  for (let i = 0; i < size; i++) {
    const t = requireNumber("time", times[i]!, 0, 1);
    [1 - t, t, -1, 1, exampleWeights?.[i] ?? 1].forEach((factor, row) => {
      factors[row * size + i] = factor;
    });
  }
  return {
    x0,
    noise: float32(noise, x0.shape),
    timesteps: float32(Float32Array.from(times, (t) => t * T)),
    factors: float32(factors, [5, size]),
    condition,
  };
}

/**
 * The clean sample that a velocity implies: `x_t - t velocity`.
 *
 * @param xt [B, ...], flat.
 * @param velocity [B, ...], flat.
 * @param time The time of all of them, in [0, 1].
 * @returns A new array [B, ...].
 */
export function flowX0(xt: Float32Array, velocity: Float32Array, time: number): Float32Array {
  return xt.map((value, i) => value - time * velocity[i]!);
}

/** The noise that a velocity implies: `x_t + (1 - t) velocity`; see {@linkcode flowX0}. */
export function flowNoise(xt: Float32Array, velocity: Float32Array, time: number): Float32Array {
  return xt.map((value, i) => value + (1 - time) * velocity[i]!);
}

/**
 * The factors of the velocity and of x_t in the clean sample at a timestep t T, for self-conditioning.
 *
 * @param numTrainTimesteps T.
 */
export function flowX0Coefficients(numTrainTimesteps: number): (timestep: number) => Coefficients {
  const T = requireInteger("numTrainTimesteps", numTrainTimesteps, 2);
  return (timestep) => [-requireNumber("timestep", timestep, 0, T) / T, 1];
}
