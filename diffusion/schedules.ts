/**
 * Noise schedules: the share of the signal that is left at each timestep. Names and values are those of
 * diffusers' schedulers. Tables are float64, where diffusers has float32: alphasCumprod is a product of
 * up to a thousand factors, and samplers subtract its entries from each other.
 *
 * Timesteps count from 0: after t = 0 one noising step is done, t = T - 1 is almost pure noise. This is
 * how the code of "Denoising Diffusion Probabilistic Models" (Ho et al. 2020) counts; the paper's
 * equations count from 1.
 */
import { requireInteger, requireOneOf } from "../base/checks.ts";
import { usageError } from "../base/errors.ts";

/**
 * Names of the beta schedules. Where diffusers has a schedule, its name is used. "quadratic" is another
 * name of "scaled_linear"; "linear_scaled_to_t" is the linear schedule with betas multiplied by 1000 / T;
 * "cosine_continuous" is the cosine schedule without a cap on beta.
 */
export const betaSchedules = [
  "linear",
  "scaled_linear",
  "squaredcos_cap_v2",
  "sigmoid",
  "quadratic",
  "linear_scaled_to_t",
  "cosine_continuous",
] as const;
/** A name of {@linkcode betaSchedules}. */
export type BetaSchedule = typeof betaSchedules[number];

/** The quantities that a denoiser may predict: the noise, the clean sample, or the velocity. */
export const predictionTypes = ["epsilon", "sample", "v_prediction"] as const;
/** A name of {@linkcode predictionTypes}. */
export type PredictionType = typeof predictionTypes[number];

/** Settings of {@linkcode noiseSchedule}, named as in diffusers' schedulers. */
export interface ScheduleConfig {
  /** T, the number of timesteps that the denoiser is trained on; 2 to 100,000. @default {1000} */
  numTrainTimesteps?: number;
  /** The first beta, for all schedules except the cosines. @default {0.0001} */
  betaStart?: number;
  /** The last beta, for all schedules except the cosines. @default {0.02} */
  betaEnd?: number;
  /** How beta grows from timestep 0 to T - 1. @default {"linear"} */
  betaSchedule?: BetaSchedule;
  /** Betas [T] in place of a named schedule. */
  trainedBetas?: ArrayLike<number> | undefined;
  /** Whether betas are rescaled so that the last timestep is pure noise. @default {false} */
  rescaleBetasZeroSnr?: boolean;
  /** The quantity that the denoiser predicts. @default {"epsilon"} */
  predictionType?: PredictionType;
}

/** A noise schedule, see {@linkcode noiseSchedule}. Every table has T entries. */
export interface NoiseSchedule {
  /** The settings that it was made from, with defaults filled in. */
  readonly config: Readonly<
    & Required<Omit<ScheduleConfig, "trainedBetas">>
    & Pick<ScheduleConfig, "trainedBetas">
  >;
  /** T, the number of timesteps. */
  readonly numTrainTimesteps: number;
  /** The quantity that the denoiser predicts. */
  readonly predictionType: PredictionType;
  /** beta_t, the variance that one noising step adds. */
  readonly betas: Float64Array;
  /** alpha_t = 1 - beta_t. */
  readonly alphas: Float64Array;
  /** The product of alpha_0 to alpha_t: the share of signal in the variance. */
  readonly alphasCumprod: Float64Array;
  /** alphasCumprod one timestep earlier; 1, a clean sample, at timestep 0. */
  readonly alphasCumprodPrev: Float64Array;
}

/** The largest T, so that an untrusted file cannot exhaust the memory. */
const MAX_TIMESTEPS = 100_000;

/**
 * Makes a noise schedule.
 *
 * @throws {UserError} If T is below 2 or above 100,000, a name is unknown, the length of trainedBetas is
 * not T, or a beta lies outside (0, 1).
 *
 * @example
 * ```ts
 * import { noiseSchedule } from "@nanodiffusion/nanodiffusion";
 *
 * const schedule = noiseSchedule({ betaSchedule: "squaredcos_cap_v2", predictionType: "v_prediction" });
 * console.log(schedule.alphasCumprod[500]); // 0.4922...
 * ```
 */
export function noiseSchedule(config: ScheduleConfig = {}): NoiseSchedule {
  const {
    betaStart = 0.0001,
    betaEnd = 0.02,
    betaSchedule = "linear",
    trainedBetas,
    numTrainTimesteps = trainedBetas?.length ?? 1000,
    rescaleBetasZeroSnr = false,
    predictionType = "epsilon",
  } = config;
  requireInteger("numTrainTimesteps", numTrainTimesteps, 2, MAX_TIMESTEPS);
  requireOneOf("predictionType", predictionType, predictionTypes);
  if (trainedBetas !== undefined && trainedBetas.length !== numTrainTimesteps) {
    throw usageError(
      `trainedBetas has ${trainedBetas.length} numbers for ${numTrainTimesteps} timesteps; ` +
        `give one per timestep or leave numTrainTimesteps out`,
    );
  }
  const given = trainedBetas === undefined
    ? makeBetas(betaSchedule, numTrainTimesteps, betaStart, betaEnd)
    : Float64Array.from(trainedBetas);
  checkBetas(given);
  const betas = rescaleBetasZeroSnr ? rescaleZeroTerminalSnr(given) : given;
  const alphas = betas.map((beta) => 1 - beta);
  const alphasCumprod = cumulativeProduct(alphas);
  return {
    config: {
      numTrainTimesteps,
      betaStart,
      betaEnd,
      betaSchedule,
      trainedBetas: trainedBetas === undefined ? undefined : Array.from(trainedBetas),
      rescaleBetasZeroSnr,
      predictionType,
    },
    numTrainTimesteps,
    predictionType,
    betas,
    alphas,
    alphasCumprod,
    alphasCumprodPrev: alphasCumprod.map((_, t) => alphasCumprod[t - 1] ?? 1),
  };
}

/** Betas outside (0, 1) would lead to infinities later; 1 is possible at the last timestep only. */
function checkBetas(betas: Float64Array): void {
  betas.forEach((beta, t) => {
    if (beta > 0 && (beta < 1 || (beta === 1 && t === betas.length - 1))) return;
    throw usageError(
      `the noise schedule's beta at timestep ${t} is ${beta}; betas must lie between 0 and 1: ` +
        `check betaStart, betaEnd, trainedBetas or, for linear_scaled_to_t, the number of timesteps`,
    );
  });
}

/** The betas [T] of a named schedule. */
export function makeBetas(
  betaSchedule: BetaSchedule,
  numTrainTimesteps: number,
  betaStart = 0.0001,
  betaEnd = 0.02,
): Float64Array {
  // Several schedules divide by T - 1.
  requireInteger("numTrainTimesteps", numTrainTimesteps, 2, MAX_TIMESTEPS);
  const name = requireOneOf("betaSchedule", betaSchedule, betaSchedules);
  return makers[name](numTrainTimesteps, betaStart, betaEnd);
}

const makers: Record<BetaSchedule, (T: number, start: number, end: number) => Float64Array> = {
  // Ho et al. 2020, section 4.
  linear: (T, start, end) => linspace(start, end, T),
  scaled_linear: quadratic,
  // Nichol and Dhariwal 2021, equation 17: alphasCumprod is a squared cosine.
  squaredcos_cap_v2: (T) => {
    const signal = (i: number) => Math.cos(((i / T + 0.008) / 1.008) * (Math.PI / 2)) ** 2;
    // The cap keeps the last beta below 1.
    return Float64Array.from(
      { length: T },
      (_, i) => Math.min(1 - signal(i + 1) / signal(i), 0.999),
    );
  },
  // Xu et al. 2022 (GeoDiff).
  sigmoid: (T, start, end) =>
    linspace(-6, 6, T).map((x) => (end - start) / (1 + Math.exp(-x)) + start),
  quadratic,
  // The code of Nichol and Dhariwal 2021: for every T the same total noise as linear with 1000 steps.
  linear_scaled_to_t: (T, start, end) => linspace(start, end, T).map((beta) => beta * (1000 / T)),
  // Hoogeboom et al. 2023: the cosine of equation 17 without its offset, bounded in place of the cap.
  cosine_continuous: (T) => betasOfLogSnr(T, cosineLogSnr),
};

/** Linear in the square root: Ho et al. 2020's "quad", which Rombach et al. 2022 call scaled linear. */
function quadratic(T: number, start: number, end: number): Float64Array {
  return linspace(Math.sqrt(start), Math.sqrt(end), T).map((root) => root ** 2);
}

function linspace(start: number, end: number, count: number): Float64Array {
  return Float64Array.from({ length: count }, (_, i) => start + i * ((end - start) / (count - 1)));
}

/**
 * Shifts and scales the square root of alphasCumprod so that it ends at exactly 0 and keeps its first
 * value: the last timestep becomes pure noise, from which sampling starts (Lin et al. 2024, "Common
 * Diffusion Noise Schedules and Sample Steps are Flawed", algorithm 1).
 *
 * An epsilon prediction does not determine x0 at such a timestep: use v_prediction or sample.
 *
 * @param betas [T], T at least 2.
 * @returns New betas [T]; the last is 1.
 */
export function rescaleZeroTerminalSnr(betas: Float64Array): Float64Array {
  const roots = cumulativeProduct(betas.map((beta) => 1 - beta)).map(Math.sqrt);
  const [first, last] = [roots[0]!, roots.at(-1)!];
  const alphasCumprod = roots.map((root) => ((root - last) * (first / (first - last))) ** 2);
  return alphasCumprod.map((product, t) => 1 - product / (alphasCumprod[t - 1] ?? 1));
}

function cumulativeProduct(values: Float64Array): Float64Array {
  let product = 1;
  return values.map((value) => product *= value);
}

/**
 * The log-SNR of the cosine schedule at a time in [0, 1]. alphasCumprod is `cos^2(pi t' / 2)`, so the
 * log-SNR is `-2 log tan(pi t' / 2)`. t' is linear in time, over the part of [0, 1] where the log-SNR is
 * from 15 to -15 (Hoogeboom et al. 2023, "simple diffusion", section 3.1 and appendix A).
 */
export function cosineLogSnr(time: number): number {
  const start = Math.atan(Math.exp(-15 / 2));
  const end = Math.atan(Math.exp(15 / 2));
  return -2 * Math.log(Math.tan(start + time * (end - start)));
}

/**
 * The betas [T] of a schedule in continuous time; the last timestep is at time 1. Pass them to
 * noiseSchedule as `trainedBetas`.
 *
 * @param numTrainTimesteps T, at least 2.
 * @param logSnrAt The log-SNR at a time in (0, 1]; falling.
 */
export function betasOfLogSnr(
  numTrainTimesteps: number,
  logSnrAt: (time: number) => number,
): Float64Array {
  const T = requireInteger("numTrainTimesteps", numTrainTimesteps, 2);
  let [previous, signal] = [Infinity, 1];
  return Float64Array.from({ length: T }, (_, t) => {
    const current = logSnrAt((t + 1) / T);
    if (!(current < previous)) {
      throw usageError(
        `the log-SNR at timestep ${t} of ${T} is ${current} after ${previous}; it must fall with time`,
      );
    }
    const next = alphaCumprodOfLogSnr(current);
    // 1 - next / signal as a difference of noise levels: the ratio is close to 1 at the start, where
    // the subtraction would lose digits.
    const beta = (alphaCumprodOfLogSnr(-current) - alphaCumprodOfLogSnr(-previous)) / signal;
    [previous, signal] = [current, next];
    return beta;
  });
}

/** alphasCumprod at a log-SNR, in [0, 1]: the logistic function. */
export function alphaCumprodOfLogSnr(logSnr: number): number {
  return 1 / (1 + Math.exp(-logSnr));
}
