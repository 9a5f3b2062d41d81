/** Batches of images with noise, for training and for validation. */
import { batcher, gatherImages, type LabelledImages } from "../datasets/batches.ts";
import { toModelRange } from "../datasets/pixels.ts";
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
import { float32, type HostArray, int32 } from "../engine/tree.ts";
import type { RandomStream } from "../nn/random.ts";

/** Options of {@linkcode noisyBatch}. */
export interface NoisyBatchOptions {
  /** The noise schedule; of a flow, only its T counts. */
  readonly schedule: NoiseSchedule;
  /** The label that stands for none. */
  readonly nullClass: number;
  /** The share of labels that is replaced by it. @default 0 */
  readonly classDropout?: number;
  /** The loss's weight at each time step [T]. @default 1 for all */
  readonly weights?: ArrayLike<number> | undefined;
  /** Height and width. */
  readonly size: readonly [number, number];
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
function drawPlaces(count: number, random: RandomStream, options: NoisyBatchOptions): Places {
  const { schedule: { numTrainTimesteps: T }, draw, probabilities, flow } = options;
  if (flow !== undefined) return { times: drawFlowTimes(random, count, flow) };
  if (probabilities === undefined) return { times: drawTimesteps(random, count, T, draw) };
  const { timesteps, weights } = drawWeightedTimesteps(random, count, probabilities);
  return { times: timesteps, exampleWeights: weights };
}

/** Puts a batch together. Noise, time steps and dropped labels come from `random` alone. */
export function noisyBatch(
  { images, labels }: LabelledImages,
  random: RandomStream,
  options: NoisyBatchOptions,
): TimedBatch {
  const { schedule, nullClass, classDropout = 0, weights, size: [height, width] } = options;
  const { flow, boundWeight, selfConditioning = 0 } = options;
  const T = schedule.numTrainTimesteps;
  const count = labels.length;
  const { times, exampleWeights } = drawPlaces(count, random.stream("timesteps"), options);
  const dropped = random.stream("class dropout").uniform(count);
  const condition: Record<string, HostArray> = {
    classLabels: int32(
      Int32Array.from(labels, (label, i) => dropped[i]! < classDropout ? nullClass : label),
    ),
  };
  // Whole batches are shown estimates or none, since those that are not take one pass in place of two.
  const shown = random.stream("self-conditioning");
  if (selfConditioning > 0 && shown.next() < selfConditioning) {
    const source: X0Source = flow === undefined ? schedule : flowX0Coefficients(T);
    const asked = flow === undefined ? times : times.map((time) => time * T);
    condition[SELF_CONDITIONING] = selfConditioningFactors(source, asked, shown, 1);
  }
  const given = {
    x0: float32(toModelRange(images), [count, height, width, 1]),
    noise: random.stream("noise").normal(count * height * width),
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

/** Options of {@linkcode trainingBatches}. */
export interface TrainingBatchOptions extends NoisyBatchOptions {
  /** Images a batch. */
  readonly batchSize: number;
  /** Is asked at every batch for its `probabilities`. */
  readonly probabilitiesNow?: (() => Float64Array) | undefined;
}

/**
 * The batches of training: a pure function of the step, and of the probabilities if there are any, so
 * that a resumed run sees the same.
 */
export function trainingBatches(
  examples: LabelledImages,
  random: RandomStream,
  { batchSize, probabilitiesNow, ...options }: TrainingBatchOptions,
): (step: number) => TimedBatch {
  const indicesAt = batcher({
    size: examples.labels.length,
    batchSize,
    random: random.stream("data order"),
  });
  const draws = random.stream("training");
  return (step) =>
    noisyBatch(gatherImages(examples, indicesAt(step)), draws.at(step), {
      ...options,
      probabilities: probabilitiesNow?.() ?? options.probabilities,
    });
}

/** Images in one batch of the validation loss. */
const VALIDATION_BATCH = 64;

/**
 * The batches of the validation loss: the first `count` examples, with the same noise and time steps
 * in every run, so that runs can be compared.
 *
 * @param random A stream that does not depend on the run's seed.
 */
export function validationBatches(
  examples: LabelledImages,
  random: RandomStream,
  options: NoisyBatchOptions & { readonly count: number },
): TimedBatch[] {
  const count = Math.min(options.count, examples.labels.length);
  const batches: TimedBatch[] = [];
  for (let start = 0; start < count; start += VALIDATION_BATCH) {
    const length = Math.min(VALIDATION_BATCH, count - start);
    const indices = Uint32Array.from({ length }, (_, i) => start + i);
    batches.push(noisyBatch(gatherImages(examples, indices), random.at(start), options));
  }
  return batches;
}
