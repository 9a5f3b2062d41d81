/**
 * Schedules by the logarithm of the signal-to-noise ratio, log(alphasCumprod / (1 - alphasCumprod)): what
 * a noise level is, whatever the number of timesteps. Here time runs from 0 (clean) to 1 (noise).
 */

import { usageError } from "../base/errors.ts";
import { requireInteger, requireNumber } from "../base/checks.ts";
import type { NoiseSchedule } from "./schedules.ts";

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
