/** One training step of the classifier, compiled into one graph, and the batches that it is given. */
import { batcher, gatherImages, type LabelledImages } from "../datasets/batches.ts";
import type { Device } from "../engine/device.ts";
import * as tf from "../engine/tf.ts";
import { float32, type HostArray, int32, scalar } from "../engine/tree.ts";
import { crossEntropy } from "../nn/cross_entropy.ts";
import { updateEma } from "../nn/ema.ts";
import { applyUpdates, type GradientTransform } from "../nn/optimizers.ts";
import { unravelTensor } from "../nn/parameters.ts";
import type { RandomStream } from "../nn/random.ts";
import type { StepSettings, TrainState } from "../training/diffusion_step.ts";
import { augment } from "./augment.ts";
import { applyClassifier, type ClassifierConfig, classifierSpecs } from "./classifier.ts";

/** Images with their classes. */
export type ClassifierBatch = {
  /** [B, H, W, 1] in [-1, 1]. */
  readonly images: HostArray;
  /** [B], int32, counted from 0. */
  readonly labels: HostArray;
};

type StepInputs = {
  state: { [Key in keyof TrainState]: TrainState[Key] };
  batch: ClassifierBatch;
  settings: Record<keyof StepSettings, HostArray>;
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
    const parameters = { flat: state.parameters };
    const { updates, state: slots } = optimizer.update(
      { flat: gradient! },
      Object.fromEntries(Object.entries(state.optimizer).map(([slot, flat]) => [slot, { flat }])),
      {
        parameters,
        step: settings.step as tf.Scalar,
        learningRate: settings.learningRate as tf.Scalar,
      },
    );
    const updated = applyUpdates(parameters, updates);
    const ema = updateEma({ flat: state.ema }, updated, settings.emaDecay as tf.Scalar);
    return {
      state: {
        parameters: updated["flat"]!,
        ema: ema["flat"]!,
        optimizer: Object.fromEntries(
          Object.entries(slots).map(([slot, record]) => [slot, record["flat"]!]),
        ),
      },
      loss,
    };
  });
  const step = async (state: TrainState, batch: ClassifierBatch, settings: StepSettings) => {
    const { step, learningRate, emaDecay } = settings;
    const result = await compiled({
      state,
      batch,
      settings: {
        step: scalar(step),
        learningRate: scalar(learningRate),
        emaDecay: scalar(emaDecay),
      },
    });
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
