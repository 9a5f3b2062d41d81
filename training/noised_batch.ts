/** Batches of clean samples with noise and timesteps, for images and for latents. */
import {
  drawFlowTimes,
  flowBatch,
  type FlowTimeOptions,
  flowX0Coefficients,
} from "../diffusion/flow_matching.ts";
import { hybridBatch } from "../diffusion/hybrid_loss.ts";
import { drawWeightedTimesteps } from "../diffusion/loss_aware_timesteps.ts";
import { diffusionBatch, type TimedBatch } from "../diffusion/objective.ts";
import type { NoiseSchedule } from "../diffusion/schedules.ts";
import {
  SELF_CONDITIONING,
  selfConditioningFactors,
  type X0Source,
} from "../diffusion/self_conditioning.ts";
import { drawTimesteps, type TimestepDraw } from "../diffusion/timestep_sampling.ts";
import type { HostArray } from "../engine/tree.ts";
import type { RandomStream } from "../nn/random.ts";

export interface NoisedBatchOptions {
  /** The noise schedule; a flow uses only its T. */
  readonly schedule: NoiseSchedule;
  /** The weight of the loss at each timestep [T]. @default 1 for all */
  readonly weights?: ArrayLike<number> | undefined;
  /** How timesteps are sampled. @default {"uniform"} */
  readonly draw?: TimestepDraw | undefined;
  /** The probability of each timestep [T], instead of `draw`; weights of the examples correct for it. */
  readonly probabilities?: Float64Array | undefined;
  /** How the times of a flow are sampled: makes batches for flow matching. */
  readonly flow?: FlowTimeOptions | undefined;
  /** The weight of the variational bound: makes batches for hybridLosses. */
  readonly boundWeight?: number | undefined;
  /** The probability that a whole batch uses self-conditioning. @default {0} */
  readonly selfConditioning?: number | undefined;
}

/** Timesteps [B], or times of a flow in [0, 1]; and weights of the examples [B] if not sampled uniformly. */
function drawNoiseLevels(
  count: number,
  random: RandomStream,
  { schedule: { numTrainTimesteps: T }, draw, probabilities, flow }: NoisedBatchOptions,
): { times: Int32Array | Float32Array; exampleWeights?: Float64Array | undefined } {
  if (flow !== undefined) return { times: drawFlowTimes(random, count, flow) };
  if (probabilities === undefined) return { times: drawTimesteps(random, count, T, draw) };
  const { timesteps, weights } = drawWeightedTimesteps(random, count, probabilities);
  return { times: timesteps, exampleWeights: weights };
}

/**
 * Makes a batch of clean samples. Noise and timesteps are functions of `random`.
 *
 * @param x0 Clean samples [B, ...].
 * @param conditionAt Returns the condition by name, for the timesteps [B] unless the batch is for a flow.
 */
export function noisedBatch(
  x0: HostArray,
  random: RandomStream,
  options: NoisedBatchOptions,
  conditionAt: (timesteps: Int32Array | undefined) => Record<string, HostArray>,
): TimedBatch {
  const { schedule, weights, flow, boundWeight, selfConditioning = 0 } = options;
  const T = schedule.numTrainTimesteps;
  const count = x0.shape[0]!;
  const { times, exampleWeights } = drawNoiseLevels(count, random.stream("timesteps"), options);
  const condition = { ...conditionAt(flow === undefined ? times as Int32Array : undefined) };
  // All or none of a batch uses self-conditioning: a batch without it takes one forward pass, not two.
  const chance = random.stream("self-conditioning");
  if (selfConditioning > 0 && chance.next() < selfConditioning) {
    const source: X0Source = flow === undefined ? schedule : flowX0Coefficients(T);
    const timesteps = flow === undefined ? times : times.map((time) => time * T);
    condition[SELF_CONDITIONING] = selfConditioningFactors(source, timesteps, chance, 1);
  }
  const given = {
    x0,
    noise: random.stream("noise").normal(x0.data.length),
    condition,
    exampleWeights,
  };
  if (flow !== undefined) {
    // The timesteps below the times, by which losses are recorded.
    const timesteps = Int32Array.from(times, (time) => Math.min(T - 1, Math.floor(time * T)));
    return { batch: flowBatch({ ...given, times, numTrainTimesteps: T }), timesteps };
  }
  const timesteps = times as Int32Array;
  const all = { ...given, timesteps, weights };
  const batch = boundWeight === undefined
    ? diffusionBatch(schedule, all)
    : hybridBatch(schedule, { ...all, boundWeight });
  return { batch, timesteps, exampleWeights };
}
