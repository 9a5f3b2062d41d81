/**
 * Self-conditioning (Chen et al. 2023, "Analog Bits", section 3.2): a model is also shown its own last
 * estimate of x0. In sampling that is the estimate of the step before; in training, half of the time, the
 * estimate that the model makes of the same x_t without one, taken as a constant; otherwise zeros.
 */

import * as tf from "../engine/tf.ts";
import { float32, type HostArray } from "../engine/tree.ts";
import type { RandomStream } from "../nn/random.ts";
import { requireNumber } from "../base/checks.ts";
import { splitLearnedVariance } from "./learned_variance.ts";
import { perExample, withoutGradient } from "./batch_ops.ts";
import type { DenoiserFunction } from "./objective.ts";
import { x0Coefficients } from "./parameterisation.ts";
import type { Coefficients } from "./rows.ts";
import type { Denoiser } from "./samplers/types.ts";
import type { NoiseSchedule } from "./schedules.ts";

/** The condition's name that {@linkcode selfConditioningFactors} go by in a batch. */
export const SELF_CONDITIONING = "selfConditioning";

/** The condition's name that a model finds its estimate under [B, ...]. */
export const X0_ESTIMATE = "x0Estimate";

/**
 * What x0 an output implies: a noise schedule, or the factors of the output and of x_t at a timestep.
 */
export type X0Source = NoiseSchedule | ((timestep: number) => Coefficients);

/** The factors at any timestep of a source, between two of a schedule's as well. */
function x0CoefficientsOf(source: X0Source): (timestep: number) => Coefficients {
  if (typeof source === "function") return source;
  return (timestep) => x0Coefficients(source.predictionType, alphaCumprodAt(source, timestep));
}

/**
 * What a training batch needs for self-conditioning: the factors by which an output and x_t add up to
 * the estimate, zeros for the examples that are shown none. Put it into diffusionBatch's `condition` as
 * {@linkcode SELF_CONDITIONING}. A batch without it is trained on zeros alone at the cost of one pass of
 * the model in place of two, so whole batches may be drawn instead of examples, as in the paper's code.
 *
 * @param source The schedule, or what it is for a flow: see flowX0Coefficients.
 * @param timesteps [B], in [0, T) of the schedule.
 * @param random Which examples are shown their estimate.
 * @param probability How many are, in [0, 1]; 0.5 in the paper.
 * @returns [2, B]
 * @throws {UserError} If a number is out of range, or the schedule's prediction of epsilon meets a
 * terminal SNR of zero.
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

/** Settings of {@linkcode selfConditioned}. */
export interface SelfConditioningOptions {
  /**
   * How the model is shown the estimate: as further channels of x, of which it then has twice as many,
   * or as its condition {@linkcode X0_ESTIMATE}. @default {"channels"}
   */
  as?: "channels" | "condition";
  /** The magnitude that estimates are clipped to, as in sampling; positive. @default none */
  clipRange?: number;
}

/**
 * A model with self-conditioning as training wants it.
 *
 * @param denoise The model. Its output has the shape of x, without the further channels, or as many
 * channels more for learned variances.
 */
export function selfConditioned(
  denoise: DenoiserFunction,
  { as = "channels", clipRange }: SelfConditioningOptions = {},
): DenoiserFunction {
  if (clipRange !== undefined) requireNumber("clipRange", clipRange, Number.MIN_VALUE);
  return (parameters, { x, timesteps, condition }) => {
    const { [SELF_CONDITIONING]: factors, ...rest } = condition;
    const ask = (estimate: tf.Tensor) =>
      as === "channels"
        ? denoise(parameters, { x: tf.concat([x, estimate], -1), timesteps, condition: rest })
        : denoise(parameters, { x, timesteps, condition: { ...rest, [X0_ESTIMATE]: estimate } });
    const zeros = tf.zerosLike(x);
    if (factors === undefined) return ask(zeros);
    return ask(withoutGradient(() => {
      const [p, q] = perExample(factors, x.rank) as [tf.Tensor, tf.Tensor]; // each [B, 1, ...]
      const answer = ask(zeros);
      const learned = answer.shape.at(-1) !== x.shape.at(-1);
      const prediction = learned ? tf.split(answer, 2, -1)[0]! : answer;
      const estimate = tf.add(tf.mul(prediction, p), tf.mul(x, q));
      return clipRange === undefined ? estimate : tf.clipByValue(estimate, -clipRange, clipRange);
    }));
  };
}

/** A denoiser that is also shown an estimate of x0 [B, ...], zeros for none. */
export type SelfConditionedDenoiser = (
  x: Float32Array,
  timestep: number,
  x0Estimate: Float32Array,
) => Promise<Float32Array>;

/** alphasCumprod at a timestep, between two of them where their sigmas' mean lies, as in diffusers. */
function alphaCumprodAt({ alphasCumprod: table }: NoiseSchedule, timestep: number): number {
  requireNumber("timestep", timestep, 0, table.length - 1);
  const below = Math.floor(timestep);
  if (timestep === below) return table[below]!;
  const sigma = (t: number) => Math.sqrt((1 - table[t]!) / table[t]!);
  const share = timestep - below;
  return 1 / (1 + ((1 - share) * sigma(below) + share * sigma(below + 1)) ** 2);
}

/**
 * A denoiser for the samplers that remembers its last estimate of x0 and is shown it at the next step.
 * With guidance, guide within `denoise`, so that the estimate is that of the guided output.
 *
 * It starts without an estimate, and again wherever the timestep rises or the number of samples changes,
 * since that is another sampling. Sampling several at once needs one each.
 *
 * @param source The schedule, or what it is for a flow: see flowX0Coefficients.
 * @param options `clipRange`: the magnitude that estimates are clipped to, as in training; positive.
 * `learnedVarianceChannels`: C of a model that gives 2 C channels, variances besides its prediction.
 * @throws {UserError} When asked, if the timestep is outside [0, T - 1] of the schedule.
 */
export function selfConditioningDenoiser(
  denoise: SelfConditionedDenoiser,
  source: X0Source,
  { clipRange = Infinity, learnedVarianceChannels: channels }: {
    clipRange?: number;
    learnedVarianceChannels?: number;
  } = {},
): Denoiser {
  if (clipRange !== Infinity) requireNumber("clipRange", clipRange, Number.MIN_VALUE);
  const coefficientsAt = x0CoefficientsOf(source);
  let last: { x0: Float32Array; timestep: number } | undefined;
  return async (x, timestep) => {
    const [p, q] = coefficientsAt(timestep);
    const known = last !== undefined && last.x0.length === x.length && timestep <= last.timestep;
    const output = await denoise(x, timestep, known ? last!.x0 : new Float32Array(x.length));
    const { prediction } = channels === undefined
      ? { prediction: output }
      : splitLearnedVariance(output, channels);
    const x0 = prediction.map((value, i) =>
      Math.max(-clipRange, Math.min(clipRange, p * value + q * x[i]!))
    );
    last = { x0, timestep };
    return output;
  };
}
