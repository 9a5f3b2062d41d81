/** Numbers that weigh or sort training losses by timestep, as tables on the host. */

import { requireInteger, requireNumber } from "../base/checks.ts";
import type { NoiseSchedule } from "./schedules.ts";

/**
 * The signal-to-noise ratio alphasCumprod / (1 - alphasCumprod) of every timestep.
 *
 * @returns [T], falling; the last is 0 for a schedule with zero terminal SNR.
 */
export function snr(schedule: NoiseSchedule): Float64Array {
  return schedule.alphasCumprod.map((a) => a / (1 - a));
}

/** Settings of {@linkcode minSnrWeights}. */
export interface MinSnrOptions {
  /** The signal-to-noise ratio above which timesteps weigh no more, positive. @default {5} */
  gamma?: number;
}

/**
 * Weights for the squared error of the schedule's predictionType that make it min(SNR, gamma) times the
 * squared error of x0 (Hang et al. 2023, "Efficient Diffusion Training via Min-SNR Weighting Strategy").
 *
 * @returns [T]: min(SNR, gamma) for sample, divided by SNR for epsilon and by SNR + 1 for v_prediction.
 * @throws {UserError} If gamma is not a positive number.
 */
export function minSnrWeights(
  schedule: NoiseSchedule,
  { gamma = 5 }: MinSnrOptions = {},
): Float64Array {
  requireNumber("gamma", gamma, Number.MIN_VALUE);
  return snr(schedule).map((ratio) => {
    switch (schedule.predictionType) {
      case "epsilon":
        return Math.min(1, gamma / ratio); // not min(ratio, gamma) / ratio, which is 0 / 0 at ratio 0
      case "sample":
        return Math.min(ratio, gamma);
      case "v_prediction":
        return Math.min(ratio, gamma) / (ratio + 1);
    }
  });
}

/** Settings of {@linkcode p2Weights}. */
export interface P2Options {
  /** How much timesteps with little noise are weighed down, at least 0; 0 for not at all. @default {1} */
  gamma?: number;
  /** Keeps weights finite where there is no signal, positive. @default {1} */
  k?: number;
}

/**
 * Weights for the squared error of the schedule's predictionType that make it 1 / (k + SNR)^gamma times
 * the squared error of epsilon: less for timesteps with so little noise that nothing of the picture's
 * content is left to learn there (Choi et al. 2022, "Perception Prioritized Training of Diffusion
 * Models", equation 8).
 *
 * @returns [T]: 1 / (k + SNR)^gamma for epsilon, times SNR for sample and SNR / (SNR + 1) for
 * v_prediction.
 * @throws {UserError} If gamma is negative or k not positive.
 */
export function p2Weights(
  schedule: NoiseSchedule,
  { gamma = 1, k = 1 }: P2Options = {},
): Float64Array {
  requireNumber("gamma", gamma, 0);
  requireNumber("k", k, Number.MIN_VALUE);
  // Of the squared error of epsilon in that of each prediction.
  const share = {
    epsilon: () => 1,
    sample: (ratio: number) => ratio,
    v_prediction: (ratio: number) => ratio / (ratio + 1),
  }[schedule.predictionType];
  return snr(schedule).map((ratio) => share(ratio) / (k + ratio) ** gamma);
}

/**
 * The quarter of the timesteps that t lies in, so that losses can be told apart by noise level.
 *
 * @param t An integer in [0, T).
 * @param numTrainTimesteps T.
 * @returns 0 (the cleanest), 1, 2 or 3 (the noisiest).
 * @throws {UserError} If t is out of range.
 */
export function timestepQuartile(t: number, numTrainTimesteps: number): 0 | 1 | 2 | 3 {
  requireInteger("timestep", t, 0, numTrainTimesteps - 1);
  return Math.floor((4 * t) / numTrainTimesteps) as 0 | 1 | 2 | 3;
}
