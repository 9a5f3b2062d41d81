/** The loss of the classifier, and the batches that it is trained on. */
import { batcher, gatherImages, type LabelledImages } from "../../datasets/batches.ts";
import type * as tf from "../../engine/tf.ts";
import { float32, type HostArray, int32 } from "../../engine/tree.ts";
import { crossEntropy } from "../../nn/cross_entropy.ts";
import type { RandomStream } from "../../nn/random.ts";
import type { BatchLoss } from "../../training/step.ts";
import { augment } from "./augment.ts";
import { applyClassifier, type ClassifierConfig } from "./network.ts";

/** Images with their classes. */
export type ClassifierBatch = {
  /** [B, H, W, 1] in [-1, 1]. */
  readonly images: HostArray;
  /** [B], int32, counted from 0. */
  readonly labels: HostArray;
};

/** The classifier's loss: the mean cross-entropy of a batch. */
export function classifierLoss(config: ClassifierConfig): BatchLoss<ClassifierBatch> {
  return (parameters, { images, labels }) => {
    const { logits } = applyClassifier(parameters, images as tf.Tensor4D, config);
    return { loss: crossEntropy(logits, labels as tf.Tensor1D) };
  };
}

/** Options of {@linkcode classifierBatches}. */
export interface ClassifierBatchOptions {
  /** Examples a step. */
  readonly batchSize: number;
  /** Height and width. */
  readonly size: readonly [number, number];
  /** The largest shift of an image, in pixels. */
  readonly maxShift: number;
}

/** The batches of training, mirrored and shifted at random: a pure function of the step. */
export function classifierBatches(
  examples: LabelledImages,
  random: RandomStream,
  { batchSize, size: [height, width], maxShift }: ClassifierBatchOptions,
): (step: number) => ClassifierBatch {
  const indicesAt = batcher({
    size: examples.labels.length,
    batchSize,
    random: random.stream("data order"),
  });
  const draws = random.stream("augmentation");
  return (step) => {
    const { images, labels } = gatherImages(examples, indicesAt(step));
    return {
      images: float32(
        augment(images, draws.at(step), { size: [height, width], maxShift }),
        [batchSize, height, width, 1],
      ),
      labels: int32(Int32Array.from(labels)),
    };
  };
}
