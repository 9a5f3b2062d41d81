/**
 * Self-conditioning (Chen et al. 2023, "Analog Bits", section 3.2): the model also receives its own last
 * estimate of x0. In sampling this is the estimate of the step before. In training it is, half of the
 * time, the estimate that the model makes of the same x_t without one, as a constant; otherwise zeros.
 */
import * as tf from "../engine/tf.ts";
import { float32, type HostArray } from "../engine/tree.ts";
import type { RandomStream } from "../nn/random.ts";
import { requireNumber } from "../base/checks.ts";
import { splitLearnedVariance } from "./learned_variance.ts";
import { perExample, withoutGradient } from "./batch_ops.ts";
import type { TrainableDenoiser } from "./objective.ts";
import { x0Coefficients } from "./parameterisation.ts";
import type { Coefficients } from "./rows.ts";
import { sigmaAt } from "./samplers/sigmas.ts";
import type { Denoiser } from "./samplers/types.ts";
import type { NoiseSchedule } from "./schedules.ts";

/** The name of {@linkcode selfConditioningFactors} in a batch's condition. */
export const SELF_CONDITIONING = "selfConditioning";

/** The name of the estimate [B, ...] in a model's condition. */
export const X0_ESTIMATE = "x0Estimate";

/**
 * The relation of x0 to a model's output: a noise schedule, or the factors of the output and of x_t at a
 * timestep.
 */
export type X0Source = NoiseSchedule | ((timestep: number) => Coefficients);

/**
 * The factors [p, q] of a training batch for self-conditioning: the estimate is p output + q x_t. They
 * are zeros for examples without an estimate. Put them into diffusionBatch's `condition` as
 * {@linkcode SELF_CONDITIONING}. A batch without factors is trained on zeros with one pass of the model
 * instead of two, so one may choose whole batches instead of examples, as in the paper's code.
 *
 * @param source The schedule; for a flow see flowX0Coefficients.
 * @param timesteps [B], in [0, T) of the schedule.
 * @param random Decides which examples receive their estimate.
 * @param probability The probability that an example does, in [0, 1]; 0.5 in the paper.
 * @returns [2, B]
 */
export function selfConditioningFactors(
  source: X0Source,
  timesteps: ArrayLike<number>,
  random: RandomStream,
  probability = 0.5,
): HostArray {
  requireNumber("probability", probability, 0, 1);
  const coefficientsAt = x0CoefficientsOf(source);
  const size = timesteps.length;
  const factors = new Float32Array(2 * size);
  const drawn = random.uniform(size);
  for (let i = 0; i < size; i++) {
    const [p, q] = coefficientsAt(timesteps[i]!);
    if (drawn[i]! < probability) [factors[i], factors[size + i]] = [p, q];
  }
  return float32(factors, [2, size]);
}

/**
 * Adds self-conditioning to a model for training. The model receives the estimate as the condition
 * {@linkcode X0_ESTIMATE}.
 *
 * @param denoise The model. Its output has the shape of x, or twice as many channels for learned variances.
 * @param clipRange The magnitude that estimates are clipped to, as in sampling. @default none
 */
export function selfConditioned(denoise: TrainableDenoiser, clipRange?: number): TrainableDenoiser {
  return (parameters, { x, timesteps, condition }) => {
    const { [SELF_CONDITIONING]: factors, ...rest } = condition;
    const denoiseWith = (estimate: tf.Tensor) =>
      denoise(parameters, { x, timesteps, condition: { ...rest, [X0_ESTIMATE]: estimate } });
    const zeros = tf.zerosLike(x);
    if (factors === undefined) return denoiseWith(zeros);
    return denoiseWith(withoutGradient(() => {
      const [p, q] = perExample<[tf.Tensor, tf.Tensor]>(factors, x.rank); // each [B, 1, ...]
      const output = denoiseWith(zeros);
      const learned = output.shape.at(-1) !== x.shape.at(-1);
      const prediction = learned ? tf.split(output, 2, -1)[0]! : output;
      const estimate = tf.add(tf.mul(prediction, p), tf.mul(x, q));
      return clipRange === undefined ? estimate : tf.clipByValue(estimate, -clipRange, clipRange);
    }));
  };
}

/**
 * A denoiser for samplers that keeps its last estimate of x0 and passes it to the model at the next step.
 * Apply guidance within `denoise`, so that the estimate follows from the guided output.
 *
 * It starts without an estimate. It starts again when the timestep rises or the number of samples
 * changes, since then another sampling has begun. Samplings that run at the same time need one each.
 *
 * @param denoise The model, with an estimate of x0 [B, ...]; zeros mean no estimate.
 * @param source The schedule; for a flow see flowX0Coefficients.
 * @param options `clipRange`: the magnitude that estimates are clipped to, as in training; positive.
 * `learnedVarianceChannels`: C of a model that returns 2 C channels, predictions and variances.
 */
export function selfConditioningDenoiser(
  denoise: (x: Float32Array, timestep: number, x0Estimate: Float32Array) => Promise<Float32Array>,
  source: X0Source,
  { clipRange = Infinity, learnedVarianceChannels: channels }: {
    clipRange?: number;
    learnedVarianceChannels?: number | undefined;
  } = {},
): Denoiser {
  const coefficientsAt = x0CoefficientsOf(source);
  let last: { x0: Float32Array; timestep: number } | undefined;
  return async (x, timestep) => {
    const [p, q] = coefficientsAt(timestep);
    const known = last !== undefined && last.x0.length === x.length && timestep <= last.timestep;
    const output = await denoise(x, timestep, known ? last!.x0 : new Float32Array(x.length));
    const prediction = channels === undefined
      ? output
      : splitLearnedVariance(output, channels).prediction;
    const x0 = prediction.map((value, i) =>
      Math.max(-clipRange, Math.min(clipRange, p * value + q * x[i]!))
    );
    last = { x0, timestep };
    return output;
  };
}

/** The factors of a source at a timestep; between integers sigma is interpolated, as in diffusers. */
function x0CoefficientsOf(source: X0Source): (timestep: number) => Coefficients {
  if (typeof source === "function") return source;
  const { alphasCumprod: table, predictionType } = source;
  const sigmaOf = sigmaAt(source);
  return (timestep) => {
    requireNumber("timestep", timestep, 0, table.length - 1);
    return x0Coefficients(predictionType, table[timestep] ?? 1 / (1 + sigmaOf(timestep) ** 2));
  };
}
