/** Batches of noised images for training and for the held-out loss. */
import { batcher, gatherImages, type LabelledImages } from "../datasets/batches.ts";
import { toModelRange } from "../datasets/pixels.ts";
import type { TimedBatch } from "../diffusion/objective.ts";
import { float32, int32 } from "../engine/tree.ts";
import type { RandomStream } from "../nn/random.ts";
import { noisedBatch, type NoisedBatchOptions } from "../training/noised_batch.ts";

export interface ImageBatchOptions extends NoisedBatchOptions {
  /** The label of no class. */
  readonly nullClass: number;
  /** The share of labels that are replaced by `nullClass`. @default {0} */
  readonly classDropout?: number | undefined;
  readonly size: readonly [number, number];
}

/**
 * Makes a batch of images. Noise, timesteps and dropped labels are functions of `random`.
 *
 * @returns x0 [B, H, W, 1] in [-1, 1] with noise, timesteps and class labels.
 */
export function imageBatch(
  { images, labels }: LabelledImages,
  random: RandomStream,
  options: ImageBatchOptions,
): TimedBatch {
  const { nullClass, classDropout = 0, size: [height, width] } = options;
  const dropped = random.stream("class dropout").uniform(labels.length);
  const classLabels = int32(
    Int32Array.from(labels, (label, i) => dropped[i]! < classDropout ? nullClass : label),
  );
  const x0 = float32(toModelRange(images), [labels.length, height, width, 1]);
  return noisedBatch(x0, random, options, () => ({ classLabels }));
}

/**
 * The batches of training: a pure function of the step, and of the probabilities if there are any. A resumed
 * run gets the same batches as one that was not interrupted.
 *
 * @param options `probabilitiesNow`: the current probability of each timestep [T], for loss-aware sampling.
 */
export function trainingBatches(
  examples: LabelledImages,
  random: RandomStream,
  { batchSize, probabilitiesNow, ...options }: ImageBatchOptions & {
    readonly batchSize: number;
    readonly probabilitiesNow?: (() => Float64Array) | undefined;
  },
): (step: number) => TimedBatch {
  const indicesAt = batcher({
    size: examples.labels.length,
    batchSize,
    random: random.stream("data order"),
  });
  const noise = random.stream("training");
  return (step) =>
    imageBatch(gatherImages(examples, indicesAt(step)), noise.at(step), {
      ...options,
      probabilities: probabilitiesNow?.() ?? options.probabilities,
    });
}

/** Images per batch of the held-out loss. */
const VALIDATION_BATCH = 64;

/**
 * The batches of the held-out loss: the first `count` examples with fixed noise and timesteps.
 *
 * @param random The same stream in all runs, so that their losses can be compared.
 */
export function validationBatches(
  examples: LabelledImages,
  random: RandomStream,
  options: ImageBatchOptions & { readonly count: number },
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
