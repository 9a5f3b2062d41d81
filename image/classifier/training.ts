/** The training of the classifier: its loss, and batches of randomly changed images. */
import { batcher, gatherImages, type LabelledImages } from "../../datasets/batches.ts";
import { toModelRange } from "../../datasets/pixels.ts";
import type * as tf from "../../engine/tf.ts";
import { float32, type HostArray, int32 } from "../../engine/tree.ts";
import { crossEntropy } from "../../nn/cross_entropy.ts";
import type { RandomStream } from "../../nn/random.ts";
import type { BatchLoss } from "../../training/step.ts";
import { applyClassifier, type ClassifierConfig } from "./network.ts";

export type ClassifierBatch = {
  /** [B, H, W, 1] in [-1, 1]. */
  readonly images: HostArray;
  /** The classes [B], int32. */
  readonly labels: HostArray;
};

/** The classifier's loss: the mean cross-entropy of a batch. */
export function classifierLoss(config: ClassifierConfig): BatchLoss<ClassifierBatch> {
  return (parameters, { images, labels }) => {
    const { logits } = applyClassifier(parameters, images as tf.Tensor4D, config);
    return { loss: crossEntropy(logits, labels as tf.Tensor1D) };
  };
}

/**
 * The batches of training, with random mirroring and shifts: a pure function of the step.
 *
 * @param options `size`: height and width of an image. `maxShift`: the largest shift in pixels.
 */
export function classifierBatches(
  examples: LabelledImages,
  random: RandomStream,
  { batchSize, size, maxShift }: {
    readonly batchSize: number;
    readonly size: readonly [height: number, width: number];
    readonly maxShift: number;
  },
): (step: number) => ClassifierBatch {
  const indicesAt = batcher({
    size: examples.labels.length,
    batchSize,
    random: random.stream("data order"),
  });
  const augmentation = random.stream("augmentation");
  return (step) => {
    const { images, labels } = gatherImages(examples, indicesAt(step));
    return {
      images: float32(
        augment(images, augmentation.at(step), size, maxShift),
        [batchSize, ...size, 1],
      ),
      labels: int32(Int32Array.from(labels)),
    };
  };
}

/**
 * Mirrors each image with a probability of one half, and shifts it by up to `maxShift` pixels in both
 * directions; pixels from outside are black.
 *
 * @param images Pixels 0 to 255, [B, H, W].
 * @returns Values in [-1, 1], [B, H, W].
 */
function augment(
  images: Uint8Array,
  random: RandomStream,
  [height, width]: readonly [number, number],
  maxShift: number,
): Float32Array<ArrayBuffer> {
  const count = images.length / (height * width);
  const values = random.integers(3 * count, 0, 2 * (2 * maxShift + 1));
  const changed = new Uint8Array(images.length); // black
  for (let i = 0; i < count; i++) {
    const mirrored = values[3 * i]! % 2 === 1;
    // The range has twice as many values as there are shifts: two values give the same shift.
    const down = (values[3 * i + 1]! >> 1) - maxShift;
    const right = (values[3 * i + 2]! >> 1) - maxShift;
    for (let y = Math.max(0, down); y < Math.min(height, height + down); y++) {
      const to = (i * height + y) * width;
      const from = (i * height + y - down) * width;
      for (let x = Math.max(0, right); x < Math.min(width, width + right); x++) {
        const column = x - right;
        changed[to + x] = images[from + (mirrored ? width - 1 - column : column)]!;
      }
    }
  }
  return toModelRange(changed);
}
