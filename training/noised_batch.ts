/** Examples with their noise: what a batch of any kind of samples has beside them. */
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

/** Options of {@linkcode noisedBatch}. */
export interface NoisySampleOptions {
  /** The noise schedule; of a flow, only its T counts. */
  readonly schedule: NoiseSchedule;
  /** The loss's weight at each time step [T]. @default 1 for all */
  readonly weights?: ArrayLike<number> | undefined;
  /** How time steps are drawn. @default {"uniform"} */
  readonly draw?: TimestepDraw | undefined;
  /** The probability of each time step [T], in the place of `draw`; examples are weighed against it. */
  readonly probabilities?: Float64Array | undefined;
  /** Makes batches of a flow, at times drawn so. */
  readonly flow?: FlowTimeOptions | undefined;
  /** Makes batches for hybridLosses; the weight of the bound as there. */
  readonly boundWeight?: number | undefined;
  /** How probable it is that the network is shown its estimates of a whole batch. @default 0 */
  readonly selfConditioning?: number;
}

/** Where examples are on their way to noise. */
interface Places {
  /** Time steps [B], or times of a flow, which are in [0, 1]. */
  readonly times: Int32Array | Float32Array;
  /** Weights of the examples [B]. */
  readonly exampleWeights?: Float64Array;
}

/** Draws time steps or times. */
function drawPlaces(count: number, random: RandomStream, options: NoisySampleOptions): Places {
  const { schedule: { numTrainTimesteps: T }, draw, probabilities, flow } = options;
  if (flow !== undefined) return { times: drawFlowTimes(random, count, flow) };
  if (probabilities === undefined) return { times: drawTimesteps(random, count, T, draw) };
  const { timesteps, weights } = drawWeightedTimesteps(random, count, probabilities);
  return { times: timesteps, exampleWeights: weights };
}

/**
 * Puts samples together with noise and time steps, which come from `random` alone.
 *
 * @param x0 Clean samples [B, ...].
 * @param conditionAt The condition by name, given the time steps [B] where there are any.
 */
export function noisedBatch(
  x0: HostArray,
  random: RandomStream,
  options: NoisySampleOptions,
  conditionAt: (timesteps: Int32Array | undefined) => Record<string, HostArray>,
): TimedBatch {
  const { schedule, weights, flow, boundWeight, selfConditioning = 0 } = options;
  const T = schedule.numTrainTimesteps;
  const count = x0.shape[0]!;
  const { times, exampleWeights } = drawPlaces(count, random.stream("timesteps"), options);
  const condition = { ...conditionAt(flow === undefined ? times as Int32Array : undefined) };
  // Whole batches are shown estimates or none, since those that are not take one pass in place of two.
  const shown = random.stream("self-conditioning");
  if (selfConditioning > 0 && shown.next() < selfConditioning) {
    const source: X0Source = flow === undefined ? schedule : flowX0Coefficients(T);
    const asked = flow === undefined ? times : times.map((time) => time * T);
    condition[SELF_CONDITIONING] = selfConditioningFactors(source, asked, shown, 1);
  }
  const given = {
    x0,
    noise: random.stream("noise").normal(x0.data.length),
    condition,
    ...(exampleWeights === undefined ? {} : { exampleWeights }),
  };
  if (flow !== undefined) {
    // For records by noise level: the time step below.
    const timesteps = Int32Array.from(times, (time) => Math.min(T - 1, Math.floor(time * T)));
    return { batch: flowBatch({ ...given, times, numTrainTimesteps: T }), timesteps };
  }
  const timesteps = times as Int32Array;
  const all = { ...given, timesteps, ...(weights === undefined ? {} : { weights }) };
  const batch = boundWeight === undefined
    ? diffusionBatch(schedule, all)
    : hybridBatch(schedule, { ...all, boundWeight });
  return { batch, timesteps, ...(exampleWeights === undefined ? {} : { exampleWeights }) };
}
