/** One training step of the classifier, compiled into one graph, and the batches that it is given. */
import { batcher, gatherImages, type LabelledImages } from "../../datasets/batches.ts";
import type { Device } from "../../engine/device.ts";
import * as tf from "../../engine/tf.ts";
import { float32, type HostArray, int32 } from "../../engine/tree.ts";
import { crossEntropy } from "../../nn/cross_entropy.ts";
import type { GradientTransform } from "../../nn/optimizers.ts";
import { unravelTensor } from "../../nn/parameters.ts";
import type { RandomStream } from "../../nn/random.ts";
import type { StepSettings, TrainState } from "../../training/diffusion_step.ts";
import {
  type SettingInputs,
  settingInputs,
  type StateInputs,
  updateState,
} from "../../training/update_state.ts";
import { augment } from "./augment.ts";
import { applyClassifier, type ClassifierConfig, classifierSpecs } from "./network.ts";

/** Images with their classes. */
export type ClassifierBatch = {
  /** [B, H, W, 1] in [-1, 1]. */
  readonly images: HostArray;
  /** [B], int32, counted from 0. */
  readonly labels: HostArray;
};

type StepInputs = {
  state: StateInputs;
  batch: ClassifierBatch;
  settings: SettingInputs;
};

type StepOutputs = Pick<StepInputs, "state"> & { loss: HostArray };

/** A compiled training step of the classifier. */
export interface ClassifierStep {
  /** Takes a step. @returns The state after it and the batch's mean cross-entropy. */
  (
    state: TrainState,
    batch: ClassifierBatch,
    settings: StepSettings,
  ): Promise<{ state: TrainState; loss: number }>;
  /** Releases its graphs. */
  dispose(): Promise<void>;
}

/** Compiles the training step: cross-entropy, gradients, optimizer and moving average. */
export function compileClassifierStep(
  device: Device,
  config: ClassifierConfig,
  optimizer: GradientTransform,
): ClassifierStep {
  const specs = classifierSpecs(config);
  const compiled = device.compile<StepInputs, StepOutputs>(({ state, batch, settings }) => {
    const { value: loss, grads: [gradient] } = tf.valueAndGrads((flat: tf.Tensor) => {
      const { logits } = applyClassifier(
        unravelTensor(flat, specs),
        batch.images as tf.Tensor4D,
        config,
      );
      return crossEntropy(logits, batch.labels as tf.Tensor1D);
    })([state.parameters]);
    return { state: updateState(state, gradient!, settings, optimizer), loss };
  });
  const step = async (state: TrainState, batch: ClassifierBatch, settings: StepSettings) => {
    const result = await compiled({ state, batch, settings: settingInputs(settings) });
    return { state: result.state, loss: result.loss.data[0]! };
  };
  return Object.assign(step, { dispose: () => compiled.dispose() });
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
