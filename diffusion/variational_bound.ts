/**
 * The terms of the variational bound on the negative log-likelihood (Ho et al. 2020, equation 5) in bits
 * per dimension, on the host in float64:
 *
 *     L_T       KL(q(x_T | x_0) || N(0, 1)), the prior term
 *     L_t       KL(q(x_t-1 | x_t, x_0) || p(x_t-1 | x_t)) for t from T - 1 to 1
 *     L_0       -log p(x_0 | x_1), with the discretized Gaussian
 *
 * Timesteps count from 0: L_t is the term of the step that starts at timestep t.
 */
import { UserError } from "../base/errors.ts";
import { requireInteger } from "../base/checks.ts";
import { learnedLogVariance, varianceRanges } from "./learned_variance.ts";
import {
  discretizedGaussianLogLikelihood,
  type DiscretizedGaussianOptions,
  gaussianKl,
  requirePixels,
} from "./likelihood.ts";
import { x0Coefficients } from "./parameterisation.ts";
import { posteriorTables } from "./posterior.ts";
import type { NoiseSchedule } from "./schedules.ts";

/** The variances that the bound supports: two fixed ones, and that of learned_variance.ts. */
export const boundVarianceTypes = ["fixed_small", "fixed_large", "learned_range"] as const;
/** A name of {@linkcode boundVarianceTypes}. */
export type BoundVarianceType = typeof boundVarianceTypes[number];

/** The distribution of the model's steps. */
export interface BoundOptions extends DiscretizedGaussianOptions {
  /**
   * The variance of the model's steps; "learned_range" needs `v`. At t = 0 both fixed ones are the
   * posterior's variance of t = 1: see posteriorTables. @default {"fixed_large"}
   */
  varianceType?: BoundVarianceType;
  /** Whether predictions of x0 are clipped to the pixels' range, [-1, 1]. @default {true} */
  clipSample?: boolean;
}

/** The inputs of {@linkcode variationalBound}: samples at one timestep and the model's output, all flat. */
export interface BoundInputs {
  /** Clean samples [B, ...], pixels in [-1, 1]. */
  x0: ArrayLike<number>;
  /** The model's input [B, ...]. */
  xt: ArrayLike<number>;
  /** The timestep of all samples, in [0, T). */
  timestep: number;
  /** The model's prediction, in the schedule's predictionType [B, ...]. */
  modelOutput: ArrayLike<number>;
  /** The position of the log variance, for "learned_range" [B, ...]. */
  v?: ArrayLike<number> | undefined;
  /** B. */
  batchSize: number;
}

/** The bound's term of one timestep. */
export interface BoundTerm {
  /** L_t of each example, in bits per dimension [B]. */
  readonly bits: Float64Array;
  /** The mean squared error of the predicted x0 [B]. */
  readonly x0Mse: Float64Array;
}

/**
 * One term of the bound: L_0 at timestep 0, L_t at the others.
 *
 * @throws {UserError} If lengths do not match, the timestep is out of range, x0 are no pixels, `v` is
 * missing, or the model predicts epsilon at a terminal SNR of zero.
 */
export function variationalBound(
  schedule: NoiseSchedule,
  { x0, xt, timestep, modelOutput, v, batchSize }: BoundInputs,
  options: BoundOptions = {},
): BoundTerm {
  const { varianceType = "fixed_large", clipSample = true } = options;
  const t = requireInteger("timestep", timestep, 0, schedule.numTrainTimesteps - 1);
  requirePixels(x0);
  requireLength("xt", xt, x0.length);
  requireLength("the model's output", modelOutput, x0.length);
  const learned = varianceType === "learned_range";
  if (learned) requireLength("v", v, x0.length);

  const tables = posteriorTables(schedule);
  const ranges = varianceRanges(schedule);
  const range = { low: ranges.low[t]!, high: ranges.high[t]! };
  const fixed = varianceType === "fixed_small"
    ? tables.logVariancesSmall[t]!
    : tables.logVariancesLarge[t]!;
  const [p, q] = x0Coefficients(schedule.predictionType, schedule.alphasCumprod[t]!);
  const predictX0 = (i: number) => {
    const predicted = p * modelOutput[i]! + q * xt[i]!;
    return clipSample ? Math.max(-1, Math.min(1, predicted)) : predicted;
  };
  const nats = (i: number) => {
    const logVariance = learned ? learnedLogVariance(v![i]!, range) : fixed;
    const predicted = predictX0(i);
    // At t = 0 the mean is the predicted x0: the posterior's factor of x_t is 0.
    if (t === 0) {
      return -discretizedGaussianLogLikelihood(x0[i]!, predicted, logVariance / 2, options);
    }
    // Both means contain x_t with the same factor, so they differ in x0 only.
    const ofX0 = tables.x0Coefficients[t]!;
    return gaussianKl(ofX0 * x0[i]!, tables.logVariancesSmall[t]!, ofX0 * predicted, logVariance);
  };
  return {
    bits: rowMeans(x0.length, batchSize, nats, Math.LN2),
    x0Mse: rowMeans(x0.length, batchSize, (i) => (predictX0(i) - x0[i]!) ** 2),
  };
}

/**
 * L_T of each example in bits per dimension: the information about x0 in x_T. Sampling replaces x_T by
 * standard normal numbers.
 *
 * @param x0 Clean samples [B, ...], flat.
 * @returns [B]; 0 for a schedule with zero terminal SNR.
 */
export function priorBits(
  schedule: NoiseSchedule,
  x0: ArrayLike<number>,
  batchSize: number,
): Float64Array {
  const signal = schedule.alphasCumprod.at(-1)!;
  const logVariance = Math.log1p(-signal);
  const nats = (i: number) => gaussianKl(Math.sqrt(signal) * x0[i]!, logVariance, 0, 0);
  return rowMeans(x0.length, batchSize, nats, Math.LN2);
}

/** Means of B examples' rows, divided by `unit`. */
function rowMeans(
  length: number,
  batchSize: number,
  value: (i: number) => number,
  unit = 1,
): Float64Array {
  const width = length / requireInteger("batchSize", batchSize, 1);
  if (!Number.isInteger(width) || width === 0) {
    throw new UserError(`${length} numbers cannot be divided among ${batchSize} examples`);
  }
  return Float64Array.from({ length: batchSize }, (_, row) => {
    let sum = 0;
    for (let i = row * width; i < (row + 1) * width; i++) sum += value(i);
    return sum / (width * unit);
  });
}

function requireLength(name: string, values: ArrayLike<number> | undefined, length: number): void {
  if (values?.length === length) return;
  throw new UserError(
    `the bound needs as many numbers of ${name} as of x0: ${length}, not ${values?.length ?? 0}`,
  );
}
