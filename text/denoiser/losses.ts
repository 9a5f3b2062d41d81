/**
 * The loss of a denoiser of text latents: diffusionLosses with given blocks and with scheduled sampling
 * (Diffusion of Thought, Ye et al. 2024, arXiv:2402.07754, section 3.2).
 */
import * as tf from "../../engine/tf.ts";
import { float32, type HostArray } from "../../engine/tree.ts";
import type { Parameters } from "../../nn/parameters.ts";
import type { RandomStream } from "../../nn/random.ts";
import { elementwiseLoss, type ElementwiseLossOptions } from "../../diffusion/loss.ts";
import { perExample, withoutGradient } from "../../diffusion/batch_ops.ts";
import {
  type BatchTensors,
  type DiffusionLosses,
  noiseBatch,
  type TrainableDenoiser,
} from "../../diffusion/objective.ts";
import type { NoiseSchedule } from "../../diffusion/schedules.ts";
import { SELF_CONDITIONING } from "../../diffusion/self_conditioning.ts";
import { usageError } from "../../base/errors.ts";
import { CONDITION } from "./network.ts";

/** The names of the conditions that {@linkcode rolloutCondition} makes. */
const ROLLOUT = {
  timesteps: "rolloutTimesteps",
  factors: "rolloutFactors",
  noise: "rolloutNoise",
} as const;

/**
 * What a batch needs for scheduled sampling: noisier time steps, up to T - 1, at which the model predicts
 * the clean latents [B, N, d] that are noised in place of the true ones. So training includes the errors
 * that the model makes in earlier steps of sampling.
 */
export function rolloutCondition(
  schedule: NoiseSchedule,
  timesteps: Int32Array,
  shape: readonly number[],
  random: RandomStream,
): Record<string, HostArray> {
  if (schedule.predictionType !== "sample") {
    throw usageError(
      `scheduled sampling needs a model that predicts clean samples, not ` +
        `${schedule.predictionType}: use the prediction "sample"`,
    );
  }
  const size = timesteps.length;
  const T = schedule.numTrainTimesteps;
  const shares = random.stream("timesteps").uniform(size);
  const noisier = Int32Array.from(timesteps, (t, i) => t + Math.floor(shares[i]! * (T - t)));
  const factors = new Float32Array(2 * size);
  noisier.forEach((t, i) => {
    factors[i] = Math.sqrt(schedule.alphasCumprod[t]!);
    factors[size + i] = Math.sqrt(1 - schedule.alphasCumprod[t]!);
  });
  const count = shape.reduce((product, length) => product * length, 1);
  return {
    [ROLLOUT.timesteps]: float32(Float32Array.from(noisier)),
    [ROLLOUT.factors]: float32(factors, [2, size]),
    [ROLLOUT.noise]: float32(random.stream("noise").normal(count), shape),
  };
}

/**
 * The error of a denoiser on each example of a batch of latents [B]: the mean over the vectors for which
 * `given` [B, N, 1] is not 1. Given vectors are not noised. With the conditions of {@linkcode
 * rolloutCondition}, the model's own predictions are noised.
 */
export function latentLosses(
  denoise: TrainableDenoiser,
  parameters: Parameters,
  batch: BatchTensors,
  options: ElementwiseLossOptions = {},
): DiffusionLosses {
  const { x0 } = batch;
  const timesteps = batch.timesteps as tf.Tensor1D;
  const { [ROLLOUT.timesteps]: earlier, [ROLLOUT.factors]: factors, ...others } = batch.condition;
  const { [ROLLOUT.noise]: earlierNoise, ...condition } = others;
  const given = condition[CONDITION.given];
  const keep = (x: tf.Tensor) =>
    given === undefined ? x : tf.add(tf.mul(x0, given), tf.mul(x, tf.sub(1, given)));

  let { x, target, weight } = noiseBatch(batch);
  if (earlier !== undefined) {
    const own = withoutGradient(() => {
      const [signal, sigma] = perExample(factors!, x0.rank) as [tf.Tensor, tf.Tensor];
      const { [SELF_CONDITIONING]: _, ...rest } = condition;
      return denoise(parameters, {
        x: keep(tf.add(tf.mul(x0, signal), tf.mul(earlierNoise!, sigma))),
        timesteps: earlier as tf.Tensor1D,
        condition: rest,
      });
    });
    x = noiseBatch({ ...batch, x0: own }).x;
  }
  const output = denoise(parameters, { x: keep(x), timesteps, condition });
  const errors = elementwiseLoss(output, target, options); // [B, N, d]
  const [size, length, width] = errors.shape as [number, number, number];
  if (given === undefined) {
    const plain = tf.mean(tf.reshape(errors, [size, length * width]), 1); // [B]
    return { weighted: tf.mul(plain, weight), plain };
  }
  const counted = tf.reshape(tf.sub(1, given), [size, length]); // 1 for vectors that count
  const perVector = tf.mean(errors, -1); // [B, N]
  const plain = tf.div(tf.sum(tf.mul(perVector, counted), 1), tf.sum(counted, 1));
  return { weighted: tf.mul(plain, weight), plain };
}
