/**
 * The three quantities that a denoiser may predict, and the conversions between them. With
 * a = alphasCumprod[t], signal = sqrt(a) and sigma = sqrt(1 - a),
 *
 *     x_t = signal x0 + sigma epsilon        v = signal epsilon - sigma x0
 *
 * so x_t and any one of x0, epsilon and v determine the other two (Salimans and Ho 2022, appendix D).
 */
import { usageError } from "../base/errors.ts";
import { type Coefficients, combineRows, type Timesteps } from "./rows.ts";
import type { NoiseSchedule, PredictionType } from "./schedules.ts";

/**
 * `[p, q]` with `x0 = p output + q x_t` (Ho et al. 2020, equation 15; Salimans and Ho 2022, appendix D).
 *
 * @throws {UserError} If the output is epsilon and x_t is pure noise: x0 is then undetermined.
 */
export function x0Coefficients(predictionType: PredictionType, alphaCumprod: number): Coefficients {
  const [signal, sigma] = [Math.sqrt(alphaCumprod), Math.sqrt(1 - alphaCumprod)];
  switch (predictionType) {
    case "epsilon":
      if (signal === 0) {
        throw usageError(
          "an epsilon prediction gives no x0 where alphasCumprod is 0 (zero terminal SNR): " +
            "use predictionType v_prediction or sample",
        );
      }
      return [-sigma / signal, 1 / signal];
    case "sample":
      return [1, 0];
    case "v_prediction":
      return [-sigma, signal];
  }
}

/** `[p, q]` with `epsilon = p output + q x_t`. alphaCumprod must be below 1 if the output is x0. */
export function epsilonCoefficients(
  predictionType: PredictionType,
  alphaCumprod: number,
): Coefficients {
  const [signal, sigma] = [Math.sqrt(alphaCumprod), Math.sqrt(1 - alphaCumprod)];
  switch (predictionType) {
    case "epsilon":
      return [1, 0];
    case "sample":
      return [-signal / sigma, 1 / sigma];
    case "v_prediction":
      return [signal, sigma];
  }
}

/** `[p, q]` with `target = p x0 + q epsilon`; the denoiser is trained to output the target. */
export function targetCoefficients(
  predictionType: PredictionType,
  alphaCumprod: number,
): Coefficients {
  switch (predictionType) {
    case "epsilon":
      return [0, 1];
    case "sample":
      return [1, 0];
    case "v_prediction":
      return [-Math.sqrt(1 - alphaCumprod), Math.sqrt(alphaCumprod)];
  }
}

/** The target [B, ...] of clean samples [B, ...] and noise [B, ...], flat, at timesteps in [0, T). */
export function trainingTarget(
  schedule: NoiseSchedule,
  x0: ArrayLike<number>,
  noise: ArrayLike<number>,
  t: Timesteps,
): Float32Array {
  const { predictionType } = schedule;
  return combineRows(schedule, t, x0, noise, (a) => targetCoefficients(predictionType, a));
}
