/** Batches of images with noise, for training and for validation. */
import { batcher, gatherImages, type LabelledImages } from "../datasets/batches.ts";
import { toModelRange } from "../datasets/pixels.ts";
import type { TimedBatch } from "../diffusion/objective.ts";
import { float32, int32 } from "../engine/tree.ts";
import type { RandomStream } from "../nn/random.ts";
import { noisedBatch, type NoisySampleOptions } from "../training/noised_batch.ts";

/** Options of {@linkcode imageBatch}. */
export interface NoisyBatchOptions extends NoisySampleOptions {
  /** The label that stands for none. */
  readonly nullClass: number;
  /** The share of labels that is replaced by it. @default 0 */
  readonly classDropout?: number;
  /** Height and width. */
  readonly size: readonly [number, number];
}

/** Puts a batch together. Noise, time steps and dropped labels come from `random` alone. */
export function imageBatch(
  { images, labels }: LabelledImages,
  random: RandomStream,
  options: NoisyBatchOptions,
): TimedBatch {
  const { nullClass, classDropout = 0, size: [height, width] } = options;
  const dropped = random.stream("class dropout").uniform(labels.length);
  const classLabels = int32(
    Int32Array.from(labels, (label, i) => dropped[i]! < classDropout ? nullClass : label),
  );
  const x0 = float32(toModelRange(images), [labels.length, height, width, 1]);
  return noisedBatch(x0, random, options, () => ({ classLabels }));
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
    imageBatch(gatherImages(examples, indicesAt(step)), draws.at(step), {
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
    batches.push(imageBatch(gatherImages(examples, indices), random.at(start), options));
  }
  return batches;
}
