/**
 * Flow matching along straight lines (Liu et al. 2023, "Flow Straight and Fast"; Lipman et al. 2023), an
 * objective without a noise schedule. Time runs from 0 (clean) to 1 (noise):
 *
 *     x_t = (1 - t) x0 + t noise        velocity = d x_t / d t = noise - x0
 *
 * The model predicts the velocity; the sampler flowEuler follows it from noise back to t = 0.
 */
import { usageError } from "../base/errors.ts";
import { float32, type HostArray } from "../engine/tree.ts";
import type { RandomStream } from "../nn/random.ts";
import { requireInteger, requireNumber, requireOneOf } from "../base/checks.ts";
import { factorTable } from "./batch_ops.ts";
import { checkBatch, type DiffusionBatch } from "./objective.ts";
import type { Coefficients } from "./rows.ts";

/** Names of the densities of training times. */
export const flowTimeDensities = ["uniform", "logit_normal"] as const;
/**
 * A name of {@linkcode flowTimeDensities}. "logit_normal" is the logistic function of a normal number. It
 * favours the middle, where the velocity is hardest to predict (Esser et al. 2024, "Scaling Rectified
 * Flow Transformers", equation 19).
 */
export type FlowTimeDensity = typeof flowTimeDensities[number];

/** Settings of {@linkcode drawFlowTimes}. */
export interface FlowTimeOptions {
  /** The density of the times. @default {"logit_normal"} */
  density?: FlowTimeDensity;
  /** "logit_normal": the mean of the normal number; above 0 favours noise. @default {0} */
  logitMean?: number;
  /** "logit_normal": its standard deviation, positive. @default {1} */
  logitStd?: number;
}

/**
 * Samples the times of a batch.
 *
 * @param random The random stream.
 * @param count B.
 * @returns [B], in [0, 1].
 * @throws {UserError} If an option is out of range.
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

/** Settings of {@linkcode flowBatch}. */
export interface FlowBatchOptions {
  /** Clean samples [B, ...]. */
  x0: HostArray;
  /** Standard normal numbers [B, ...]. */
  noise: Float32Array;
  /** Times [B], in [0, 1]. */
  times: ArrayLike<number>;
  /**
   * T. The model receives the timestep t T, since its embedding expects numbers of that size. The sampler
   * needs the same T. @default {1000}
   */
  numTrainTimesteps?: number;
  /** The condition by name. @default {{}} */
  condition?: Record<string, HostArray>;
  /** The loss weight of each example [B]. @default 1 for all */
  exampleWeights?: ArrayLike<number> | undefined;
}

/**
 * Builds a batch for diffusionLosses, whose target is then the velocity: a flow is trained by the same
 * code as a diffusion model.
 *
 * @throws {UserError} If lengths do not match or a time is outside [0, 1].
 */
export function flowBatch(options: FlowBatchOptions): DiffusionBatch {
  const { x0, noise, times, numTrainTimesteps: T = 1000, condition = {}, exampleWeights } = options;
  requireInteger("numTrainTimesteps", T, 2);
  checkBatch(x0, noise, times.length, exampleWeights);
  const factors = factorTable(times.length, (i) => {
    const t = requireNumber("time", times[i]!, 0, 1);
    return [1 - t, t, -1, 1, exampleWeights?.[i] ?? 1];
  });
  return {
    x0,
    noise: float32(noise, x0.shape),
    timesteps: float32(Float32Array.from(times, (t) => t * T)),
    factors,
    condition,
  };
}

/** `[p, q]` with `x0 = p velocity + q x_t` at a timestep t T, for self-conditioning. */
export function flowX0Coefficients(numTrainTimesteps: number): (timestep: number) => Coefficients {
  const T = requireInteger("numTrainTimesteps", numTrainTimesteps, 2);
  return (timestep) => [-requireNumber("timestep", timestep, 0, T) / T, 1];
}
