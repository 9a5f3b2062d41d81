/** The variational bound of a denoiser on given samples, summed over timesteps. */
import { requireInteger, requireOneOf } from "../base/checks.ts";
import { usageError, UserError } from "../base/errors.ts";
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
  /** Returns standard normal numbers [length] for a timestep; a pure function makes results repeatable. */
  noise: (length: number, timestep: number) => Float32Array;
  /**
   * The timesteps to evaluate, each once; 0 must be among them. Each of the others counts for the ones
   * that are left out, so choose them evenly spaced or at random. @default all T
   */
  timesteps?: ArrayLike<number> | undefined;
  /** The samples' channels C, for "learned_range", whose denoiser returns 2 C. */
  channels?: number | undefined;
}

/** The bound of samples in bits per dimension. All numbers except `totals` are means over the samples. */
export interface BitsPerDimension {
  /** The bound: the terms of all T timesteps and the prior term. */
  readonly total: number;
  /** Each sample's bound [B]. */
  readonly totals: Float64Array;
  /** L_T. */
  readonly prior: number;
  /** The evaluated timesteps in the given order [S]. */
  readonly timesteps: Int32Array;
  /** L_t of each evaluated timestep [S]. */
  readonly bits: Float64Array;
  /** The mean squared error of the predicted x0 at each evaluated timestep [S]. */
  readonly x0Mse: Float64Array;
}

/**
 * Bits per dimension of samples under a model: an upper bound on the length of a lossless code based on
 * it (Ho et al. 2020, section 4.3; the loop of Nichol and Dhariwal 2021). Each timestep uses one sample
 * of noise, so the result is an estimate whose error falls with the number of samples.
 *
 * @param denoise The model; called once per timestep with all samples.
 * @param x0 Pixels in [-1, 1], [B, ...], flat.
 * @param schedule The schedule that the model was trained with.
 * @throws {UserError} If lengths do not match, an option is out of range, x0 are no pixels, or the model's
 * output has the wrong length or is not finite.
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
    throw usageError("learned variances need `channels`, the size of the samples' last axis");
  }
  const T = schedule.numTrainTimesteps;
  const timesteps = timestepsOf(options.timesteps, T);
  const prior = priorBits(schedule, x0, batchSize);
  const totals = prior.slice();
  const bits = new Float64Array(timesteps.length);
  const x0Mse = new Float64Array(timesteps.length);
  // Each timestep except 0 also counts for the ones that are left out.
  const share = (T - 1) / (timesteps.length - 1);
  for (const [i, timestep] of timesteps.entries()) {
    const xt = qSample(schedule, x0, noise(x0.length, timestep), timestep);
    const output = await denoise(xt, timestep);
    if (output.length !== x0.length * (learned ? 2 : 1)) {
      throw new UserError(
        `the denoiser returned ${output.length} numbers for ${x0.length} at timestep ${timestep}; ` +
          (learned
            ? "with learned variances it must return twice as many"
            : "its output must have the shape of its input"),
      );
    }
    const { prediction, v } = learned
      ? splitLearnedVariance(output, channels!)
      : { prediction: output, v: undefined };
    const inputs = { x0, xt, timestep, modelOutput: prediction, v, batchSize };
    const term = variationalBound(schedule, inputs, options);
    if (term.bits.some((value) => !Number.isFinite(value))) {
      throw new UserError(
        `the bound at timestep ${timestep} is not finite, because the denoiser's prediction is not or ` +
          `its variances are far out of range: try an earlier checkpoint`,
      );
    }
    term.bits.forEach((value, b) => totals[b]! += timestep === 0 ? value : share * value);
    bits[i] = mean(term.bits);
    x0Mse[i] = mean(term.x0Mse);
  }
  return { total: mean(totals), totals, prior: mean(prior), timesteps, bits, x0Mse };
}

/** Checks the timesteps to evaluate; all T by default, from noisy to clean. */
function timestepsOf(given: ArrayLike<number> | undefined, T: number): Int32Array {
  if (given === undefined) return Int32Array.from({ length: T }, (_, i) => T - 1 - i);
  const timesteps = Array.from(given, (t) => requireInteger("timestep", t, 0, T - 1));
  const distinct = new Set(timesteps);
  if (distinct.size !== timesteps.length) {
    throw usageError("timesteps of the bound repeat; give each one once");
  }
  if (!distinct.has(0) || distinct.size < 2) {
    throw usageError(
      "timesteps of the bound must contain 0, whose term differs from the others, and at least one more",
    );
  }
  return Int32Array.from(timesteps);
}

function mean(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
