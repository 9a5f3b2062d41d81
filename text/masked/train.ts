/** Training of masked diffusion. */
import { runDetails } from "../../cli/compare_runs.ts";
import type { RunFolder } from "../../cli/run_folder.ts";
import { openTraining, resumeRun } from "../../cli/training.ts";
import { batcher } from "../../datasets/batches.ts";
import {
  drawMaskTimes,
  type MaskedBatch,
  maskedBatch,
  maskedLoss,
} from "../../diffusion/masked.ts";
import type { Device } from "../../engine/device.ts";
import type * as tf from "../../engine/tf.ts";
import { type HostArray, int32 } from "../../engine/tree.ts";
import { countParameters, initParameters, unravelTensor } from "../../nn/parameters.ts";
import { type RandomStream, randomStream } from "../../nn/random.ts";
import { loadTrainState } from "../../training/checkpoint/state_tensors.ts";
import { type BatchLoss, compileTrainStep } from "../../training/step.ts";
import { MeanWindow } from "../../training/windows.ts";
import type { BertConfig } from "../../vae/bert.ts";
import type { DenoiserConfig, MaskedConfig } from "../settings.ts";
import { DENOISER_EXTENDABLE } from "../settings.ts";
import { maskedCheckpoint } from "./checkpoint.ts";
import { maskedLogits, maskedTrainingSpecs } from "./network.ts";
import { flatten, type MaskedExample, type MaskedTask } from "./task.ts";

/** Columns of metrics.csv. */
export const maskedMetrics = ({ unit }: Pick<MaskedTask, "unit">): readonly string[] => [
  "loss",
  "valLoss",
  "gradNorm",
  "skippedSteps",
  "learningRate",
  `${unit}PerSecond`,
];

/** The BERT that the settings describe. */
export function maskedBertConfig(
  { layers, width, heads }: Pick<DenoiserConfig, "layers" | "width" | "heads">,
  { vocabSize, length }: Pick<MaskedTask, "vocabSize" | "length">,
): BertConfig {
  return {
    vocabSize,
    hiddenSize: width,
    numHiddenLayers: layers,
    numAttentionHeads: heads,
    intermediateSize: 4 * width,
    maxPositionEmbeddings: length,
    typeVocabSize: 2, // as BERT's; there is one segment
    layerNormEps: 1e-12,
    initializerRange: 0.05, // tokens become distinct sooner than with BERT's 0.02
  };
}

interface Masking extends Pick<MaskedConfig, "timeWeight"> {
  readonly task: MaskedTask;
}

/** Masks a batch of examples. */
function maskExamples(
  examples: readonly MaskedExample[],
  { task: { maskId, length }, timeWeight }: Masking,
  random: RandomStream,
): MaskedBatch {
  return maskedBatch({
    tokens: int32(flatten(examples, ({ tokens }) => tokens), [examples.length, length]),
    targets: flatten(examples, ({ targets }) => targets),
    times: drawMaskTimes(random.stream("times"), examples.length),
    maskId,
    random: random.stream("masks"),
    timeWeight,
  });
}

/** Compiles the mean loss of held-out examples, always masked in the same way. */
function compileHeldOutLoss(
  device: Device,
  loss: BatchLoss<MaskedBatch>,
  { config, groups, batches }: {
    readonly config: BertConfig;
    readonly groups: MaskedTask["groups"];
    readonly batches: readonly MaskedBatch[];
  },
) {
  const specs = maskedTrainingSpecs(config, groups);
  const compiled = device.compile<
    { parameters: HostArray; batch: MaskedBatch },
    { loss: HostArray }
  >(({ parameters, batch }) => ({
    loss: loss(unravelTensor(parameters, specs), batch).loss,
  }));
  const measure = async (parameters: HostArray) => {
    let sum = 0;
    for (const batch of batches) sum += (await compiled({ parameters, batch })).loss.data[0]!;
    return sum / batches.length;
  };
  return { measure, dispose: () => compiled.dispose() };
}

/** The batch of each training step, and the batches of held-out examples, which are the same in every run. */
function maskedBatches(
  task: MaskedTask,
  { config: { batchSize, validationSize }, masked: { timeWeight }, random }: {
    readonly config: DenoiserConfig;
    readonly masked: Pick<MaskedConfig, "timeWeight">;
    readonly random: RandomStream;
  },
) {
  const masking = { task, timeWeight };
  const order = random.stream("data order");
  const indicesAt = batcher({ size: task.trainSize, batchSize, random: order });
  const batches = random.stream("batches");
  const validation = task.heldOut("validation", validationSize);
  const fixed = randomStream(0).stream("validation");
  return {
    batchAt: (step: number) => {
      const indices = Array.from(indicesAt(step));
      const examples = indices.map((index, i) => task.train(index, step * batchSize + i));
      return { batch: maskExamples(examples, masking, batches.at(step)) };
    },
    held: Array.from({ length: Math.ceil(validationSize / batchSize) }, (_, i) => {
      const examples = validation.slice(i * batchSize, (i + 1) * batchSize);
      return maskExamples(examples, masking, fixed.at(i));
    }),
  };
}

/** Trains a model, from its last checkpoint if there is one. @returns Whether it is complete. */
export async function trainMasked(
  { device, task, run, config, masked, seed, log }: {
    readonly device: Device;
    readonly task: MaskedTask;
    readonly run: Pick<RunFolder, "directory" | "record">;
    readonly config: DenoiserConfig;
    readonly masked: Pick<MaskedConfig, "timeWeight">;
    readonly seed: number;
    readonly log: (line: string) => void;
  },
): Promise<boolean> {
  const random = randomStream(seed).stream("masked diffusion");
  const { weightDecay, maxGradNorm } = config;
  const { groups, unit } = task;
  const bert = maskedBertConfig(config, task);
  const specs = maskedTrainingSpecs(bert, groups);
  const loss: BatchLoss<MaskedBatch> = (parameters, batch) => ({
    loss: maskedLoss(
      maskedLogits(parameters, batch.inputIds as tf.Tensor2D, bert, groups),
      batch,
    ),
  });
  const trainStep = compileTrainStep(device, {
    specs,
    optimizer: { weightDecay, maxGradNorm },
    loss,
  });
  const checkpoint = await resumeRun(run, DENOISER_EXTENDABLE);
  const state = checkpoint === undefined
    ? trainStep.start(initParameters(specs, random.stream("weights")))
    : trainStep.restore(loadTrainState(checkpoint, specs));

  const { batchAt, held } = maskedBatches(task, { config, masked, random });
  const heldOut = compileHeldOutLoss(device, loss, { config: bert, groups, batches: held });
  const window = new MeanWindow(checkpoint?.state?.details?.["window"]);
  await using training = await openTraining({
    description: `masked diffusion: ${countParameters(specs).toLocaleString("en")} parameters`,
    log,
    directory: run.directory,
    device,
    config,
    unit,
    columns: maskedMetrics(task),
    checkpoint,
  });
  for await (const step of training.steps({ trainStep, batchAt, state })) {
    window.addStep(step);
    if (step.logs) {
      const valLoss = step.measures ? await heldOut.measure(state.ema) : undefined;
      await training.log(step, window, { valLoss });
    }
    if (!step.saves) continue;
    await training.save(
      step,
      maskedCheckpoint({
        config: bert,
        task,
        state,
        step: step.step,
        seed,
        configHash: run.record.configHash,
        details: { window: window.toJson(), run: runDetails(run.record) },
      }),
    );
  }
  await trainStep.dispose();
  await heldOut.dispose();
  return !training.interrupted;
}
