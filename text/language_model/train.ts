/** Training of a GPT-2 on texts, or on questions with answers: perplexity models and baselines of text.ts. */
import { batcher } from "../../datasets/batches.ts";
import type { Device } from "../../engine/device.ts";
import type * as tf from "../../engine/tf.ts";
import type { HostArray } from "../../engine/tree.ts";
import { IGNORED_LABEL } from "../../nn/cross_entropy.ts";
import {
  countParameters,
  initParameters,
  type ParameterSpecs,
  unravel,
  unravelTensor,
} from "../../nn/parameters.ts";
import { randomStream } from "../../nn/random.ts";
import { bucketLengths } from "../../vae/buckets.ts";
import { type Gpt2Config, gpt2Loss, gpt2Specs } from "../../vae/gpt2.ts";
import {
  languageBatch,
  languageBatches,
  type LanguageExample,
} from "../../vae/language_batches.ts";
import type { TextTokenizer } from "../../vae/tokenizer/tokenizer.ts";
import { languageCheckpoint, type LanguageModel } from "./checkpoint.ts";
import { type BatchLoss, compileTrainStep } from "../../training/step.ts";
import { MeanWindow } from "../../training/windows.ts";
import type { RunFolder } from "../../cli/run_folder.ts";
import { runDetails } from "../../cli/compare_runs.ts";
import { loadTrainState } from "../../training/checkpoint/state_tensors.ts";
import type { TrainingConfig } from "../../training/loop.ts";
import { openTraining, resumeRun } from "../../cli/training.ts";

export const LANGUAGE_METRICS = [
  "loss",
  "valLoss",
  "gradNorm",
  "skippedSteps",
  "learningRate",
  "textsPerSecond",
] as const;

export interface LanguageTrainingConfig extends TrainingConfig {
  readonly batchSize: number;
  readonly weightDecay: number;
  readonly maxGradNorm: number; // gradients are clipped to this global norm
}

type Batch = { tokens: HostArray; labels: HostArray };

/** Compiles the mean loss of a predicted token over held-out sequences. */
function compileHeldOutLoss(
  device: Device,
  loss: BatchLoss<Batch>,
  { specs, batches }: { readonly specs: ParameterSpecs; readonly batches: readonly Batch[] },
) {
  const compiled = device.compile<{ parameters: HostArray; batch: Batch }, { loss: HostArray }>(
    ({ parameters, batch }) => loss(unravelTensor(parameters, specs), batch),
  );
  const measure = async (parameters: HostArray) => {
    let [sum, count] = [0, 0];
    for (const batch of batches) {
      const predicted = batch.labels.data.filter((label) => label !== IGNORED_LABEL).length;
      const { loss } = await compiled({ parameters, batch });
      sum += predicted * loss.data[0]!;
      count += predicted;
    }
    return count === 0 ? undefined : sum / count;
  };
  return { measure, dispose: () => compiled.dispose() };
}

/** Trains a GPT-2, from its last checkpoint if there is one. */
export async function trainLanguageModel(
  { device, run, name, model, tokenizer, train, validation, config, seed, log }: {
    readonly device: Device;
    readonly run: Pick<RunFolder, "directory" | "record">;
    readonly name: string;
    readonly model: Gpt2Config;
    readonly tokenizer: TextTokenizer;
    readonly train: readonly LanguageExample[];
    readonly validation: readonly LanguageExample[];
    readonly config: LanguageTrainingConfig;
    readonly seed: number;
    readonly log: (line: string) => void;
  },
): Promise<{ readonly interrupted: boolean; readonly model: LanguageModel }> {
  const random = randomStream(seed).stream("language model");
  const specs = gpt2Specs(model);
  const optimizer = { weightDecay: config.weightDecay, maxGradNorm: config.maxGradNorm };
  const lengths = bucketLengths([...train, ...validation].map(({ ids }) => ids.length), {
    maximum: model.nPositions,
  });
  const padId = tokenizer.id("eos");
  const { batchSize } = config;
  const order = random.stream("data order");
  const indicesAt = batcher({ size: train.length, batchSize, random: order });
  const sequencesAt = languageBatches(train, indicesAt, { lengths, padId });
  const batchAt = (step: number) => ({ batch: sequencesAt(step) });
  const loss: BatchLoss<Batch> = (parameters, { tokens, labels }) => ({
    loss: gpt2Loss(parameters, tokens as tf.Tensor2D, model, labels as tf.Tensor2D),
  });
  const trainStep = compileTrainStep(device, { specs, optimizer, loss });
  const checkpoint = await resumeRun(run);
  const state = checkpoint === undefined
    ? trainStep.start(initParameters(specs, random.stream("weights")))
    : trainStep.restore(loadTrainState(checkpoint, specs));
  const batches = Array.from({ length: Math.ceil(validation.length / batchSize) }, (_, i) => {
    const part = validation.slice(i * batchSize, (i + 1) * batchSize);
    const { tokens, labels } = languageBatch(part, lengths, padId);
    return { tokens, labels };
  });
  const heldOut = compileHeldOutLoss(device, loss, { specs, batches });
  const window = new MeanWindow(checkpoint?.state?.details?.["window"]);
  await using training = await openTraining({
    description: `${name}: ${countParameters(specs).toLocaleString("en")} parameters, ` +
      `${train.length} sequences`,
    log,
    directory: run.directory,
    device,
    config,
    unit: "texts",
    label: `${name} step`,
    columns: LANGUAGE_METRICS,
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
      languageCheckpoint({
        config: model,
        tokenizer,
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
  const parameters = unravel(state.ema, specs);
  return { interrupted: training.interrupted, model: { config: model, tokenizer, parameters } };
}
