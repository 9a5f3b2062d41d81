/** The variational bound of a denoiser on some samples, timestep by timestep. */

import { usageError, UserError } from "../base/errors.ts";
import { requireInteger, requireOneOf } from "../base/checks.ts";
import { qSample } from "./forward.ts";
import { splitLearnedVariance } from "./learned_variance.ts";
import type { Denoiser } from "./samplers/types.ts";
import type { NoiseSchedule } from "./schedules.ts";
import {
  type BoundOptions,
  boundVarianceTypes,
  priorBits,
  variationalBound,
} from "./variational_bound.ts";

/** Settings of {@linkcode bitsPerDimension}. */
export interface BitsPerDimensionOptions extends BoundOptions {
  /** B, the number of samples. */
  batchSize: number;
  /** Standard normal numbers for a timestep: [length], a pure function of it for figures that repeat. */
  noise: (length: number, timestep: number) => Float32Array;
  /**
   * The timesteps to visit, each once; 0 must be among them. The terms of those left out count as the
   * mean of the terms visited, timestep 0's apart: spread them evenly, or draw them at random.
   * @default all T
   */
  timesteps?: ArrayLike<number>;
  /** The samples' channels, their last axis; for "learned_range", whose denoiser gives twice as many. */
  channels?: number;
}

/** The bound of some samples. Means over the samples; bits are bits per dimension. */
export interface BitsPerDimension {
  /** The bound: the terms of all T timesteps and the prior's. */
  readonly total: number;
  /** Each sample's bound [B]. */
  readonly totals: Float64Array;
  /** L_T. */
  readonly prior: number;
  /** The timesteps visited, in the order given [S]. */
  readonly timesteps: Int32Array;
  /** L_t of each timestep visited [S]. */
  readonly bits: Float64Array;
  /** The mean squared error of the predicted x0 at each [S]. */
  readonly x0Mse: Float64Array;
}

function timestepsOf(given: ArrayLike<number> | undefined, T: number): Int32Array {
  if (given === undefined) return Int32Array.from({ length: T }, (_, i) => T - 1 - i);
  const timesteps = Array.from(given, (t) => requireInteger("timestep", t, 0, T - 1));
  const distinct = new Set(timesteps);
  if (distinct.size !== timesteps.length) {
    throw usageError("timesteps of the bound repeat themselves; give each one once");
  }
  if (!distinct.has(0) || distinct.size < 2) {
    throw usageError(
      "timesteps of the bound must hold 0, whose term is unlike the others, and more",
    );
  }
  return Int32Array.from(timesteps);
}

const mean = (values: Float64Array) =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/**
 * Bits per dimension of samples under a model, an upper bound on what a lossless code by it would need
 * (Ho et al. 2020, section 4.3; the loop of Nichol and Dhariwal 2021). One draw of noise for each
 * timestep: the result is an estimate whose error falls with the number of samples.
 *
 * @param denoise The model; asked once for each timestep about all samples.
 * @param x0 Pixels in [-1, 1], [B, ...], flat.
 * @param schedule The schedule that the model was trained with.
 * @throws {UserError} If lengths do not fit, an option is out of range, x0 are no pixels, or the model
 * gives the wrong number of numbers or one that is not finite.
 */
export async function bitsPerDimension(
  denoise: Denoiser,
  x0: Float32Array,
  schedule: NoiseSchedule,
  options: BitsPerDimensionOptions,
): Promise<BitsPerDimension> {
  const { batchSize, noise, varianceType = "fixed_large", channels } = options;
  requireOneOf("varianceType", varianceType, boundVarianceTypes);
  const learned = varianceType === "learned_range";
  if (learned && channels === undefined) {
    throw usageError("learned variances need `channels`, how many of them the samples have");
  }
  const T = schedule.numTrainTimesteps;
  const timesteps = timestepsOf(options.timesteps, T);
  const prior = priorBits(schedule, x0, batchSize);
  const totals = prior.slice();
  const bits = new Float64Array(timesteps.length);
  const x0Mse = new Float64Array(timesteps.length);
  // All but timestep 0 stand for those left out too.
  const share = (T - 1) / (timesteps.length - 1);
  for (const [i, timestep] of timesteps.entries()) {
    const xt = qSample(schedule, x0, noise(x0.length, timestep), timestep);
    const output = await denoise(xt, timestep);
    if (output.length !== x0.length * (learned ? 2 : 1)) {
      throw new UserError(
        `the denoiser returned ${output.length} numbers for ${x0.length} at timestep ${timestep}; ` +
          (learned
            ? "with learned variances it must return twice as many"
            : "it must keep the shape"),
      );
    }
    const { prediction, v } = learned
      ? splitLearnedVariance(output, channels!)
      : { prediction: output, v: undefined };
    const inputs = { x0, xt, timestep, modelOutput: prediction, v, batchSize };
    const term = variationalBound(schedule, inputs, options);
    if (term.bits.some((value) => !Number.isFinite(value))) {
      throw new UserError(
        `the bound at timestep ${timestep} is not finite; the denoiser returned a number that is not, ` +
          `or variances beyond any measure: try an earlier checkpoint`,
      );
    }
    term.bits.forEach((value, b) => totals[b]! += timestep === 0 ? value : share * value);
    bits[i] = mean(term.bits);
    x0Mse[i] = mean(term.x0Mse);
  }
  return { total: mean(totals), totals, prior: mean(prior), timesteps, bits, x0Mse };
}
