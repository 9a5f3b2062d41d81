/**
 * What a denoiser's output means, and conversions between the three meanings. With a = alphasCumprod_t,
 * signal s = sqrt(a) and noise level n = sqrt(1 - a),
 *
 *     x_t = s x0 + n epsilon        v = s epsilon - n x0
 *
 * so x_t and any one of x0, epsilon and v give the other two. Each conversion is a sum of the model's
 * output and x_t; the coefficients are exported too, for those who compute with tensors.
 */

import { usageError } from "../base/errors.ts";
import { velocity } from "./forward.ts";
import { type Coefficients, combineRows, type Timesteps } from "./rows.ts";
import type { NoiseSchedule, PredictionType } from "./schedules.ts";

/**
 * `[p, q]` with `x0 = p output + q x_t` (Ho et al. 2020, equation 15; Salimans and Ho 2022, appendix D).
 *
 * @param predictionType What the output is.
 * @param alphaCumprod alphasCumprod at the timestep of x_t, in [0, 1].
 * @throws {UserError} If the output is epsilon and x_t is pure noise, which leaves x0 undetermined.
 */
export function x0Coefficients(predictionType: PredictionType, alphaCumprod: number): Coefficients {
  const [s, n] = [Math.sqrt(alphaCumprod), Math.sqrt(1 - alphaCumprod)];
  switch (predictionType) {
    case "epsilon":
      if (s === 0) {
        throw usageError(
          "an epsilon prediction gives no x0 where alphasCumprod is 0 (zero terminal SNR): " +
            "use predictionType v_prediction or sample",
        );
      }
      return [-n / s, 1 / s];
    case "sample":
      return [1, 0];
    case "v_prediction":
      return [-n, s];
  }
}

/**
 * `[p, q]` with `epsilon = p output + q x_t`.
 *
 * @param predictionType What the output is.
 * @param alphaCumprod alphasCumprod at the timestep of x_t, in [0, 1), or [0, 1] unless the output is
 * a sample.
 */
export function epsilonCoefficients(
  predictionType: PredictionType,
  alphaCumprod: number,
): Coefficients {
  const [s, n] = [Math.sqrt(alphaCumprod), Math.sqrt(1 - alphaCumprod)];
  switch (predictionType) {
    case "epsilon":
      return [1, 0];
    case "sample":
      return [-s / n, 1 / n];
    case "v_prediction":
      return [s, n];
  }
}

/**
 * `[p, q]` with `v = p output + q x_t`.
 *
 * @param predictionType What the output is.
 * @param alphaCumprod alphasCumprod at the timestep of x_t, in (0, 1).
 */
export function velocityCoefficients(
  predictionType: PredictionType,
  alphaCumprod: number,
): Coefficients {
  const [s, n] = [Math.sqrt(alphaCumprod), Math.sqrt(1 - alphaCumprod)];
  switch (predictionType) {
    case "epsilon":
      return [1 / s, -n / s];
    case "sample":
      return [-1 / n, s / n];
    case "v_prediction":
      return [1, 0];
  }
}

/**
 * The clean sample that a model's output implies.
 *
 * @param modelOutput [B, ...], flat, in the schedule's predictionType.
 * @param xt What the model saw [B, ...].
 * @param t One timestep for all, or one an example: [B], integers in [0, T).
 * @param predictionType What the output is, if not what the schedule says.
 * @returns A new array [B, ...], not clipped.
 * @throws {UserError} If lengths do not fit, a timestep is out of range, or x0 is undetermined there.
 */
export function predictX0(
  schedule: NoiseSchedule,
  modelOutput: ArrayLike<number>,
  xt: ArrayLike<number>,
  t: Timesteps,
  predictionType: PredictionType = schedule.predictionType,
): Float32Array {
  return combineRows(schedule, t, modelOutput, xt, (a) => x0Coefficients(predictionType, a));
}

/**
 * The noise that a model's output implies.
 *
 * @param modelOutput [B, ...], flat, in the schedule's predictionType.
 * @param xt What the model saw [B, ...].
 * @param t One timestep for all, or one an example: [B], integers in [0, T).
 * @param predictionType What the output is, if not what the schedule says.
 * @returns A new array [B, ...].
 * @throws {UserError} If lengths do not fit or a timestep is out of range.
 */
export function predictEpsilon(
  schedule: NoiseSchedule,
  modelOutput: ArrayLike<number>,
  xt: ArrayLike<number>,
  t: Timesteps,
  predictionType: PredictionType = schedule.predictionType,
): Float32Array {
  return combineRows(schedule, t, modelOutput, xt, (a) => epsilonCoefficients(predictionType, a));
}

/**
 * The velocity that a model's output implies.
 *
 * @param modelOutput [B, ...], flat, in the schedule's predictionType.
 * @param xt What the model saw [B, ...].
 * @param t One timestep for all, or one an example: [B], integers in [0, T).
 * @param predictionType What the output is, if not what the schedule says.
 * @returns A new array [B, ...].
 * @throws {UserError} If lengths do not fit or a timestep is out of range.
 */
export function predictVelocity(
  schedule: NoiseSchedule,
  modelOutput: ArrayLike<number>,
  xt: ArrayLike<number>,
  t: Timesteps,
  predictionType: PredictionType = schedule.predictionType,
): Float32Array {
  return combineRows(schedule, t, modelOutput, xt, (a) => velocityCoefficients(predictionType, a));
}

/**
 * What a denoiser of this schedule is trained to give: the noise, the clean sample or the velocity.
 *
 * @param x0 Clean samples [B, ...], flat.
 * @param noise The noise that was added to them [B, ...].
 * @param t One timestep for all, or one an example: [B], integers in [0, T).
 * @returns A new array [B, ...].
 * @throws {UserError} If lengths do not fit or a timestep is out of range.
 */
export function trainingTarget(
  schedule: NoiseSchedule,
  x0: ArrayLike<number>,
  noise: ArrayLike<number>,
  t: Timesteps,
): Float32Array {
  switch (schedule.predictionType) {
    case "epsilon":
      return combineRows(schedule, t, noise, x0, () => [1, 0]);
    case "sample":
      return combineRows(schedule, t, x0, noise, () => [1, 0]);
    case "v_prediction":
      return velocity(schedule, x0, noise, t);
  }
}
