/** The loss of image.ts, and the batches of noised images for training and for the held-out loss. */
import { batcher, gatherImages, type LabelledImages } from "../datasets/batches.ts";
import { toModelRange } from "../datasets/pixels.ts";
import { hybridLosses, predictionsAlone } from "../diffusion/hybrid_loss.ts";
import { lossWeightsOf } from "../diffusion/loss.ts";
import { type ImageNetwork, trainableDenoiser } from "../diffusion/networks/image_network.ts";
import {
  diffusionLosses,
  type LossFunction,
  type TimedBatch,
  type TrainableDenoiser,
} from "../diffusion/objective.ts";
import type { NoiseSchedule } from "../diffusion/schedules.ts";
import { float32, int32 } from "../engine/tree.ts";
import { type RandomStream, randomStream } from "../nn/random.ts";
import { noisedBatch, type NoisedBatchOptions } from "../training/noised_batch.ts";
import type { ImageKind, ImageSet } from "../datasets/image_set.ts";
import type { ImageConfig } from "./flags.ts";
import type { LossAwareMemory } from "./loss_aware_memory.ts";

/** The share of batches with self-conditioning (Chen et al. 2023). */
const SELF_CONDITIONED = 0.5;

/** The loss: the distance to the target, plus the variational bound if variances are learned. */
export function imageLosses({ loss, huberDelta, learnedVariance }: ImageConfig): LossFunction {
  const losses = learnedVariance ? hybridLosses : diffusionLosses;
  return (denoise, parameters, batch) =>
    losses(denoise, parameters, batch, { lossType: loss, huberDelta });
}

/** The network without learned variances, as the validation loss takes it. */
export function validatedNetwork(network: ImageNetwork): TrainableDenoiser {
  const denoise = trainableDenoiser(network.config, network.channels);
  return network.learnedVariance ? predictionsAlone(denoise) : denoise;
}

export interface ImageBatchOptions extends NoisedBatchOptions {
  /** The label of no class. */
  readonly nullClass: number;
  /** The share of labels that are replaced by `nullClass`. @default {0} */
  readonly classDropout?: number | undefined;
  readonly images: Pick<ImageKind, "height" | "width" | "channels">;
  /** Whether half of the images are mirrored. @default {false} */
  readonly flip?: boolean | undefined;
}

/** Mirrors about half of images [B, H, W, C] from left to right. */
export function mirrorSome(
  images: Uint8Array<ArrayBuffer>,
  [count, height, width, channels]: readonly number[],
  random: RandomStream,
): Uint8Array<ArrayBuffer> {
  const mirrored = images.slice();
  const rowSize = width! * channels!;
  random.uniform(count!).forEach((share, image) => {
    if (share >= 0.5) return;
    for (let row = image * height!; row < (image + 1) * height!; row++) {
      for (let column = 0; column < width!; column++) {
        const from = row * rowSize + (width! - 1 - column) * channels!;
        mirrored.set(images.subarray(from, from + channels!), row * rowSize + column * channels!);
      }
    }
  });
  return mirrored;
}

/**
 * A batch of x0 [B, H, W, C] in [-1, 1] with noise, timesteps and class labels. Noise, timesteps and dropped
 * labels are functions of `random`.
 */
export function imageBatch(
  { images, labels }: LabelledImages,
  random: RandomStream,
  options: ImageBatchOptions,
): TimedBatch {
  const { nullClass, classDropout = 0, flip = false, images: { height, width, channels } } =
    options;
  const dropped = random.stream("class dropout").uniform(labels.length);
  const classLabels = int32(
    Int32Array.from(labels, (label, i) => dropped[i]! < classDropout ? nullClass : label),
  );
  const shape = [labels.length, height, width, channels];
  const mirrored = flip ? mirrorSome(images, shape, random.stream("flip")) : images;
  const x0 = float32(toModelRange(mirrored), shape);
  return noisedBatch(x0, random, options, () => nullClass === 0 ? {} : { classLabels });
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

/** The batches of the held-out loss: the first `count` examples with fixed noise and timesteps. */
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

/** Options that training and validation share. */
const commonOf = (schedule: NoiseSchedule, images: ImageKind) =>
  ({ schedule, nullClass: images.classNames.length, images }) as const;

export function imageTrainingBatches(
  data: ImageSet,
  config: ImageConfig,
  { random, schedule, memory }: {
    random: RandomStream;
    schedule: NoiseSchedule;
    memory: LossAwareMemory | undefined;
  },
): (step: number) => TimedBatch {
  const { objective, flowTimes, learnedVariance, boundWeight, timestepSampling } = config;
  const isFlow = objective === "flow_matching";
  return trainingBatches(data.train, random, {
    ...commonOf(schedule, data),
    flip: config.flip,
    batchSize: config.batchSize,
    classDropout: config.classDropout,
    weights: isFlow ? undefined : lossWeightsOf(config, schedule),
    draw: timestepSampling === "loss_aware" ? undefined : timestepSampling,
    probabilitiesNow: memory === undefined ? undefined : () => memory.probabilities(),
    flow: isFlow ? { density: flowTimes } : undefined,
    // T times the term of a random timestep is an estimate of the bound.
    boundWeight: learnedVariance ? boundWeight * schedule.numTrainTimesteps : undefined,
    selfConditioning: config.selfConditioning ? SELF_CONDITIONED : 0,
  });
}

/**
 * The batches of the validation loss, the same in all runs: uniform timesteps, no weights and no
 * self-conditioning, whatever the training uses.
 */
export function imageValidationBatches(
  data: ImageSet,
  { objective, validationSize }: ImageConfig,
  schedule: NoiseSchedule,
): TimedBatch[] {
  return validationBatches(data.validation, randomStream(0).stream("validation"), {
    ...commonOf(schedule, data),
    count: validationSize,
    flow: objective === "flow_matching" ? { density: "uniform" } : undefined,
  });
}
