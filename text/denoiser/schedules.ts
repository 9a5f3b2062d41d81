/**
 * Noise schedules for latents of texts: formulas in continuous time, from 0 (clean) to 1 (noise), at the
 * centres of T equal intervals. With T = 1000 these are PLANNER's times, 0.0005 to 0.9995 (Zhang et al.
 * 2023, arXiv:2306.02531).
 */
import { usageError } from "../../base/errors.ts";
import { requireNumber, requireOneOf } from "../../base/checks.ts";
import {
  betasOfLogSnr,
  type NoiseSchedule,
  noiseSchedule,
  type PredictionType,
} from "../../diffusion/schedules.ts";

export const latentSchedules = ["cosine", "linear", "sqrt", "tan_d"] as const;
/**
 * A name of {@linkcode latentSchedules}, with alphasCumprod at time t:
 *
 * - "cosine": `cos^2(pi t / 2)`.
 * - "linear": `exp(-1e-4 - 10 t^2)`, the limit of betas that grow linearly (PLANNER's code).
 * - "sqrt": `1 - sqrt(t + 1e-4)`, noisy from the start, for latents that are easy to distinguish (Li et
 *   al. 2022, "Diffusion-LM", appendix A).
 * - "tan_d": `1 / (1 + d^2 tan^2(pi t / 2))`, which is the cosine with its log-SNR lowered by 2 log d
 *   (Shabalin et al. 2025, "TEncDM").
 */
export type LatentSchedule = typeof latentSchedules[number];

export interface LatentLogSnrOptions {
  readonly noiseShift?: number; // added to the log-SNR; negative for more noise; 0 by default
  readonly tanD?: number; // "tan_d": d, positive; 9 by default, TEncDM's
}

/** The offset of "sqrt"; its square root is the noise at time 0. */
const SQRT_OFFSET = 1e-4;

const logSnrs: Record<LatentSchedule, (time: number, d: number) => number> = {
  cosine: (time) => -2 * Math.log(Math.tan(time * Math.PI / 2)),
  linear: (time) => {
    const decay = 1e-4 + 10 * time ** 2; // alphasCumprod is exp(-decay)
    return -decay - Math.log(-Math.expm1(-decay));
  },
  sqrt: (time) => {
    const noise = Math.sqrt(time + SQRT_OFFSET);
    return Math.log1p(-noise) - Math.log(noise);
  },
  tan_d: (time, d) => -2 * Math.log(d * Math.tan(time * Math.PI / 2)),
};

/**
 * The log-SNR of a schedule, log(alphasCumprod / (1 - alphasCumprod)), at a time in (0, 1). "sqrt" has no
 * signal left from 1 - 1e-4 on.
 */
export function latentLogSnr(
  schedule: LatentSchedule,
  time: number,
  { noiseShift = 0, tanD = 9 }: LatentLogSnrOptions = {},
): number {
  const name = requireOneOf("schedule", schedule, latentSchedules);
  requireNumber("time", time, Number.MIN_VALUE, 1 - Number.EPSILON);
  requireNumber("tanD", tanD, Number.MIN_VALUE);
  if (!Number.isFinite(noiseShift)) {
    throw usageError(`noiseShift is ${noiseShift}; it must be a finite number`);
  }
  if (name === "sqrt" && time >= 1 - SQRT_OFFSET) {
    throw usageError(
      `the schedule "sqrt" has no signal left at time ${time}: use fewer timesteps, 4000 at most`,
    );
  }
  return logSnrs[name](time, tanD) + noiseShift;
}

/** A schedule as T timesteps: timestep t is at time (t + 1/2) / T. */
export function latentNoiseSchedule(
  schedule: LatentSchedule,
  { numTrainTimesteps: T = 1000, predictionType = "sample", ...options }: LatentLogSnrOptions & {
    readonly numTrainTimesteps?: number; // T, at least 2
    readonly predictionType?: PredictionType;
  } = {},
): NoiseSchedule {
  return noiseSchedule({
    // betasOfLogSnr() evaluates its function at (t + 1) / T.
    trainedBetas: betasOfLogSnr(T, (time) => latentLogSnr(schedule, time - 0.5 / T, options)),
    predictionType,
  });
}
