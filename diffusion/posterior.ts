/**
 * The posterior q(x_s | x_t, x_0) of the forward process, from a timestep t to any earlier timestep s. It
 * depends only on alphasCumprod at both.
 */
import type { NoiseSchedule } from "./schedules.ts";

/**
 * The variance of a DDPM step. "fixed_small" is the posterior's variance, which is optimal for data that
 * are one point; "fixed_large" is beta, which is optimal for standard normal data (Ho et al. 2020,
 * section 3.2). The "_log" names are diffusers' and mean the same variances. "learned_range" is predicted
 * by the model: see learned_variance.ts.
 */
export const varianceTypes = [
  "fixed_small",
  "fixed_small_log",
  "fixed_large",
  "fixed_large_log",
  "learned_range",
] as const;
/** A name of {@linkcode varianceTypes}. */
export type VarianceType = typeof varianceTypes[number];

/** The smallest posterior variance, so that its logarithm exists; diffusers' value. */
export const MIN_VARIANCE = 1e-20;

/** The posterior's mean `x0Coefficient x0 + xtCoefficient x_t`, its variance and beta. */
export interface Posterior {
  /** The factor of x0 in the mean. */
  readonly x0Coefficient: number;
  /** The factor of x_t in the mean. */
  readonly xtCoefficient: number;
  /** The variance that the forward process adds from s to t. */
  readonly beta: number;
  /** The posterior's variance, exactly 0 when s is the clean sample. */
  readonly variance: number;
}

/**
 * The posterior between two noise levels (Ho et al. 2020, equations 6 and 7, for any two timesteps).
 *
 * @param alphaCumprod alphasCumprod at t, in [0, 1).
 * @param alphaCumprodPrev alphasCumprod at s, in (0, 1]; 1 for the clean sample.
 */
export function posterior(alphaCumprod: number, alphaCumprodPrev: number): Posterior {
  const alpha = alphaCumprod / alphaCumprodPrev;
  const beta = 1 - alpha;
  return {
    x0Coefficient: (Math.sqrt(alphaCumprodPrev) * beta) / (1 - alphaCumprod),
    xtCoefficient: (Math.sqrt(alpha) * (1 - alphaCumprodPrev)) / (1 - alphaCumprod),
    beta,
    variance: ((1 - alphaCumprodPrev) / (1 - alphaCumprod)) * beta,
  };
}

/** The fixed variance of a DDPM step between two noise levels. */
export function stepVariance(
  alphaCumprod: number,
  alphaCumprodPrev: number,
  varianceType: Exclude<VarianceType, "learned_range">,
): number {
  const { beta, variance } = posterior(alphaCumprod, alphaCumprodPrev);
  return varianceType.startsWith("fixed_large") ? beta : Math.max(variance, MIN_VARIANCE);
}

/**
 * The factors of x0 in the posterior's mean and the log variances of "fixed_small" and "fixed_large", from
 * each timestep to the one before [T].
 *
 * At t = 0 the posterior's variance is 0, since x0 is given, and its logarithm is minus infinity. The
 * likelihood of x0 needs a Gaussian of positive width, so both log tables have the posterior's variance
 * of t = 1 at t = 0, as in Ho et al. 2020. With beta_0 the Gaussian of "fixed_large" would be wider than
 * a pixel's bin, which costs bits.
 */
export function posteriorTables(schedule: NoiseSchedule) {
  const { alphasCumprod, alphasCumprodPrev } = schedule;
  const steps = Array.from(alphasCumprod, (a, t) => posterior(a, alphasCumprodPrev[t]!));
  const logVariance = (t: number) => Math.log(Math.max(steps[t]!.variance, MIN_VARIANCE));
  const logFirst = logVariance(1);
  return {
    x0Coefficients: Float64Array.from(steps, (step) => step.x0Coefficient),
    logVariancesSmall: Float64Array.from(steps, (_, t) => logVariance(Math.max(t, 1))),
    logVariancesLarge: schedule.betas.map((beta, t) => t === 0 ? logFirst : Math.log(beta)),
  };
}
