/** Batches of images with noise, for training and for validation. */
import { batcher, gatherImages, type LabelledImages } from "../datasets/batches.ts";
import { toModelRange } from "../datasets/pixels.ts";
import { diffusionBatch, type TimedBatch } from "../diffusion/objective.ts";
import type { NoiseSchedule } from "../diffusion/schedules.ts";
import { float32, int32 } from "../engine/tree.ts";
import type { RandomStream } from "../nn/random.ts";

/** Options of {@linkcode noisyBatch}. */
export interface NoisyBatchOptions {
  /** The noise schedule. */
  readonly schedule: NoiseSchedule;
  /** The label that stands for none. */
  readonly nullClass: number;
  /** The share of labels that is replaced by it. @default 0 */
  readonly classDropout?: number;
  /** The loss's weight at each time step [T]. @default 1 for all */
  readonly weights?: ArrayLike<number> | undefined;
  /** Height and width. */
  readonly size: readonly [number, number];
}

/** Puts a batch together. Noise, time steps and dropped labels come from `random` alone. */
export function noisyBatch(
  { images, labels }: LabelledImages,
  random: RandomStream,
  { schedule, nullClass, classDropout = 0, weights, size: [height, width] }: NoisyBatchOptions,
): TimedBatch {
  const count = labels.length;
  const timesteps = random.stream("timesteps").integers(count, 0, schedule.numTrainTimesteps);
  const dropped = random.stream("class dropout").uniform(count);
  const batch = diffusionBatch(schedule, {
    x0: float32(toModelRange(images), [count, height, width, 1]),
    noise: random.stream("noise").normal(count * height * width),
    timesteps,
    condition: {
      classLabels: int32(
        Int32Array.from(labels, (label, i) => dropped[i]! < classDropout ? nullClass : label),
      ),
    },
    ...(weights === undefined ? {} : { weights }),
  });
  return { batch, timesteps };
}

/** The batches of training: a pure function of the step, so that a resumed run sees the same. */
export function trainingBatches(
  examples: LabelledImages,
  random: RandomStream,
  options: NoisyBatchOptions & { readonly batchSize: number },
): (step: number) => TimedBatch {
  const { batchSize } = options;
  const indicesAt = batcher({
    size: examples.labels.length,
    batchSize,
    random: random.stream("data order"),
  });
  const draws = random.stream("training");
  return (step) => noisyBatch(gatherImages(examples, indicesAt(step)), draws.at(step), options);
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
