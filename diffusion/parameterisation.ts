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
 * @param predictionType What the model's output is.
 * @param alphaCumprod alphasCumprod at the timestep of x_t, in [0, 1].
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

/**
 * `[p, q]` with `epsilon = p output + q x_t`.
 *
 * @param predictionType What the model's output is.
 * @param alphaCumprod alphasCumprod at the timestep of x_t, in [0, 1]; below 1 if the output is x0.
 */
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

/**
 * `[p, q]` with `target = p x0 + q epsilon`, where the target is what the denoiser is trained to output.
 *
 * @param predictionType What the denoiser predicts.
 * @param alphaCumprod alphasCumprod at the timestep, in [0, 1].
 */
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

/**
 * The output that a denoiser of this schedule is trained towards: the noise, the clean sample or the
 * velocity.
 *
 * @param x0 Clean samples [B, ...], flat.
 * @param noise The noise that was added to them [B, ...].
 * @param t One timestep for all examples, or one per example [B]: integers in [0, T).
 * @returns A new array [B, ...].
 * @throws {UserError} If lengths do not match or a timestep is out of range.
 */
export function trainingTarget(
  schedule: NoiseSchedule,
  x0: ArrayLike<number>,
  noise: ArrayLike<number>,
  t: Timesteps,
): Float32Array {
  const { predictionType } = schedule;
  return combineRows(schedule, t, x0, noise, (a) => targetCoefficients(predictionType, a));
}
