/**
 * Noise schedules: how much of the signal is left at each timestep. Names and values are those of
 * diffusers' schedulers, but tables are float64 where theirs are float32: alphasCumprod is a product
 * of up to a thousand factors, and samplers take differences of its entries.
 *
 * Timesteps count from 0: t = 0 means "noised once", t = T - 1 "almost pure noise", as in the code of
 * "Denoising Diffusion Probabilistic Models" (Ho et al. 2020), whose equations count from 1.
 */
import { usageError } from "../base/errors.ts";
import { requireInteger, requireNumber, requireOneOf } from "../base/checks.ts";

/**
 * Names of the beta schedules. Those that diffusers has carry its names; then come "quadratic", another
 * name of "scaled_linear", "linear_scaled_to_t", the linear schedule with betas multiplied by 1000 / T,
 * and "cosine_continuous", the cosine schedule without a cap on beta.
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

/** What a denoiser may predict: the noise, the clean sample, or the velocity. */
export const predictionTypes = ["epsilon", "sample", "v_prediction"] as const;
/** A name of {@linkcode predictionTypes}. */
export type PredictionType = typeof predictionTypes[number];

/** Settings of {@linkcode noiseSchedule}, named as diffusers' scheduler settings. */
export interface ScheduleConfig {
  /** T, the number of timesteps that the denoiser is trained on; 2 to 100,000. @default {1000} */
  numTrainTimesteps?: number;
  /** The first beta of the schedules that have one. @default {0.0001} */
  betaStart?: number;
  /** The last beta of the schedules that have one. @default {0.02} */
  betaEnd?: number;
  /** How beta grows from timestep 0 to T - 1. @default {"linear"} */
  betaSchedule?: BetaSchedule;
  /** Betas to use as they are, in place of a named schedule; as many as timesteps. */
  trainedBetas?: ArrayLike<number> | undefined;
  /** Whether to rescale the betas so that the last timestep is pure noise. @default {false} */
  rescaleBetasZeroSnr?: boolean;
  /** What the denoiser of this schedule predicts. @default {"epsilon"} */
  predictionType?: PredictionType;
}

/** A noise schedule, ready for use: see {@linkcode noiseSchedule}. Every table has T entries. */
export interface NoiseSchedule {
  /** The settings that it was made from, defaults filled in. */
  readonly config: Readonly<Required<ScheduleConfig>>;
  /** T, the number of timesteps. */
  readonly numTrainTimesteps: number;
  /** What the denoiser of this schedule predicts. */
  readonly predictionType: PredictionType;
  /** beta_t, the variance that one noising step adds. */
  readonly betas: Float64Array;
  /** alpha_t = 1 - beta_t. */
  readonly alphas: Float64Array;
  /** The product of alpha_0 to alpha_t: the share of the variance that is still signal. */
  readonly alphasCumprod: Float64Array;
  /** alphasCumprod one timestep earlier; 1, a clean sample, at timestep 0. */
  readonly alphasCumprodPrev: Float64Array;
}

/** The largest beta of the cosine schedule, which would otherwise reach 1 at the end. */
const MAX_COSINE_BETA = 0.999;

/** The largest T; a file that asks for more asks for memory. */
const MOST_TIMESTEPS = 100_000;

function linspace(start: number, end: number, count: number): Float64Array {
  return Float64Array.from({ length: count }, (_, i) => start + i * ((end - start) / (count - 1)));
}

/** Linear in the square root: Ho et al. 2020's "quad", which Rombach et al. 2022 call scaled linear. */
function quadratic(T: number, start: number, end: number): Float64Array {
  return linspace(Math.sqrt(start), Math.sqrt(end), T).map((root) => root ** 2);
}

const makers: Record<BetaSchedule, (T: number, start: number, end: number) => Float64Array> = {
  // Ho et al. 2020, section 4.
  linear: (T, start, end) => linspace(start, end, T),
  scaled_linear: quadratic,
  // Nichol and Dhariwal 2021, equation 17: alphasCumprod follows a squared cosine.
  squaredcos_cap_v2: (T) => {
    const signal = (i: number) => Math.cos(((i / T + 0.008) / 1.008) * (Math.PI / 2)) ** 2;
    const beta = (i: number) => Math.min(1 - signal(i + 1) / signal(i), MAX_COSINE_BETA);
    return Float64Array.from({ length: T }, (_, i) => beta(i));
  },
  // Xu et al. 2022 (GeoDiff).
  sigmoid: (T, start, end) =>
    linspace(-6, 6, T).map((x) => (end - start) / (1 + Math.exp(-x)) + start),
  quadratic,
  // Nichol and Dhariwal 2021's code: as much noise in all, whatever T, as linear has in 1000 steps.
  linear_scaled_to_t: (T, start, end) => linspace(start, end, T).map((beta) => beta * (1000 / T)),
  // Hoogeboom et al. 2023: equation 17's cosine without its offset, and bounds in place of the cap.
  cosine_continuous: (T) => betasOfLogSnr(T, (time) => cosineLogSnr(time)),
};

/**
 * The betas of a named schedule.
 *
 * @param betaSchedule The name.
 * @param numTrainTimesteps T, 2 to 100,000.
 * @param betaStart The first beta (of 1000 timesteps for "linear_scaled_to_t"); the cosines have no use
 * for it.
 * @param betaEnd The last beta, likewise.
 * @returns [T]
 */
export function makeBetas(
  betaSchedule: BetaSchedule,
  numTrainTimesteps: number,
  betaStart = 0.0001,
  betaEnd = 0.02,
): Float64Array {
  // One timestep leaves nothing to space, to rescale or to learn an order from.
  requireInteger("numTrainTimesteps", numTrainTimesteps, 2, MOST_TIMESTEPS);
  const name = requireOneOf("betaSchedule", betaSchedule, betaSchedules);
  return makers[name](numTrainTimesteps, betaStart, betaEnd);
}

function cumulativeProduct(values: Float64Array): Float64Array {
  let product = 1;
  return values.map((value) => product *= value);
}

/**
 * Shifts and scales the square root of alphasCumprod so that it ends at exactly 0 and starts where it
 * did: the last timestep becomes pure noise, as it is when sampling starts (Lin et al. 2024, "Common
 * Diffusion Noise Schedules and Sample Steps are Flawed", algorithm 1).
 *
 * An epsilon prediction says nothing about x0 at such a last timestep: use v_prediction or sample.
 *
 * @param betas [T], T at least 2.
 * @returns New betas [T], the last of which is 1.
 */
export function rescaleZeroTerminalSnr(betas: Float64Array): Float64Array {
  const roots = cumulativeProduct(betas.map((beta) => 1 - beta)).map(Math.sqrt);
  const [first, last] = [roots[0]!, roots.at(-1)!];
  const alphasCumprod = roots.map((root) => ((root - last) * (first / (first - last))) ** 2);
  return alphasCumprod.map((product, t) => 1 - product / (alphasCumprod[t - 1] ?? 1));
}

/** Betas outside (0, 1) give infinities much later; 1 itself can only end a schedule. */
function checkBetas(betas: Float64Array): void {
  betas.forEach((beta, t) => {
    if (beta > 0 && (beta < 1 || (beta === 1 && t === betas.length - 1))) return;
    throw usageError(
      `the noise schedule's beta at timestep ${t} is ${beta}; betas must lie between 0 and 1: ` +
        `check betaStart, betaEnd, trainedBetas or, for linear_scaled_to_t, the number of timesteps`,
    );
  });
}

/**
 * Makes a noise schedule.
 *
 * @throws {UserError} If T is below 2 or above 100,000, a name is unknown, trainedBetas are not as many as T, or a beta
 * lies outside (0, 1).
 *
 * @example
 * ```ts
 * import { noiseSchedule } from "./schedules.ts";
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
  requireInteger("numTrainTimesteps", numTrainTimesteps, 2, MOST_TIMESTEPS);
  requireOneOf("predictionType", predictionType, predictionTypes);
  if (trainedBetas !== undefined && trainedBetas.length !== numTrainTimesteps) {
    throw usageError(
      `trainedBetas has ${trainedBetas.length} numbers for ${numTrainTimesteps} timesteps; ` +
        `give one a timestep or leave numTrainTimesteps out`,
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

/** The log-SNR of every timestep: [T], falling; minus infinity where no signal is left. */
export function logSnr(schedule: NoiseSchedule): Float64Array {
  return schedule.alphasCumprod.map((a) => Math.log(a) - Math.log1p(-a));
}

/**
 * alphasCumprod at a log-SNR, which is its logit.
 *
 * @returns In [0, 1].
 */
export function alphaCumprodOfLogSnr(logSnr: number): number {
  return 1 / (1 + Math.exp(-logSnr));
}

/** Settings of {@linkcode cosineLogSnr}. */
export interface CosineLogSnrOptions {
  /**
   * Added to the log-SNR everywhere: `2 log(reference size / size)` gives large pictures, whose pixels
   * repeat each other, the noise that the reference size would have. @default {0}
   */
  shift?: number;
  /** The log-SNR at time 1 before the shift. @default {-15} */
  minLogSnr?: number;
  /** The log-SNR at time 0 before the shift. @default {15} */
  maxLogSnr?: number;
}

/**
 * The cosine schedule in continuous time: alphasCumprod is `cos^2(pi t' / 2)`, so the log-SNR is
 * `-2 log tan(pi t' / 2) + shift`, with t' running over as much of [0, 1] as keeps the log-SNR within
 * bounds (Hoogeboom et al. 2023, "simple diffusion", section 3.1 and appendix A).
 *
 * @param time In [0, 1].
 * @throws {UserError} If time is outside [0, 1], or a bound or the shift is not as it must be.
 */
export function cosineLogSnr(time: number, options: CosineLogSnrOptions = {}): number {
  const { shift = 0, minLogSnr = -15, maxLogSnr = 15 } = options;
  requireNumber("time", time, 0, 1);
  if (!Number.isFinite(shift)) throw usageError(`shift is ${shift}; it must be a finite number`);
  if (!(minLogSnr < maxLogSnr && Number.isFinite(maxLogSnr - minLogSnr))) {
    throw usageError(
      `minLogSnr is ${minLogSnr} and maxLogSnr ${maxLogSnr}; they must be finite, and in this order`,
    );
  }
  const start = Math.atan(Math.exp(-maxLogSnr / 2));
  const end = Math.atan(Math.exp(-minLogSnr / 2));
  return -2 * Math.log(Math.tan(start + time * (end - start))) + shift;
}

/**
 * The betas of T timesteps, the last at time 1, of a schedule in continuous time: pass them to
 * noiseSchedule as `trainedBetas`.
 *
 * @param numTrainTimesteps T, at least 2.
 * @param logSnrAt The log-SNR at a time in (0, 1]; falling.
 * @returns [T]
 * @throws {UserError} If T is below 2, or the log-SNR does not fall.
 *
 * @example
 * ```ts
 * import { betasOfLogSnr, cosineLogSnr } from "./log_snr.ts";
 * import { noiseSchedule } from "./schedules.ts";
 *
 * const shift = 2 * Math.log(32 / 64); // 64x64 pictures with the noise of 32x32 ones
 * const trainedBetas = betasOfLogSnr(1000, (time) => cosineLogSnr(time, { shift }));
 * noiseSchedule({ trainedBetas, predictionType: "v_prediction" });
 * ```
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
    // 1 - next / signal, but as a difference of noise levels: at the start the ratio is nearly 1.
    const beta = (alphaCumprodOfLogSnr(-current) - alphaCumprodOfLogSnr(-previous)) / signal;
    [previous, signal] = [current, next];
    return beta;
  });
}
