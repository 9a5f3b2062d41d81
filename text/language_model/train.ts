/** Training of a GPT-2 on texts, or on answers that follow questions: judges and baselines of text.ts. */
import type { Device } from "../../engine/device.ts";
import type { JsonObject } from "../../base/json.ts";
import type * as tf from "../../engine/tf.ts";
import type { HostArray } from "../../engine/tree.ts";
import { IGNORED_LABEL } from "../../nn/cross_entropy.ts";
import { adamW } from "../../nn/optimizers.ts";
import { countParameters, initParameters, unravel, unravelTensor } from "../../nn/parameters.ts";
import { randomStream } from "../../nn/random.ts";
import { bucketLengths } from "../../vae/buckets.ts";
import { type Gpt2Config, gpt2Loss, gpt2Specs } from "../../vae/gpt2.ts";
import {
  languageBatch,
  languageBatches,
  type LanguageExample,
} from "../../vae/language_batches.ts";
import type { TextTokenizer } from "../../vae/tokenizer/tokenizer.ts";
import { loadCheckpoint } from "../../training/checkpoint/checkpoint.ts";
import {
  describeDamage,
  findCheckpoint,
  saveCheckpoint,
} from "../../training/checkpoint/folders.ts";
import { initTrainState } from "../../training/diffusion_step.ts";
import { languageCheckpoint, type LanguageModel } from "./checkpoint.ts";
import { type BatchLoss, compileLossStep, type LossBatch } from "../../training/loss_step.ts";
import { MeanWindow } from "../../training/mean_window.ts";
import { MetricsLog } from "../../training/metrics.ts";
import type { RunFolder } from "../../cli/run_folder.ts";
import { checkSameRun, runDetails } from "../../cli/compare_runs.ts";
import { loadTrainState } from "../../training/checkpoint/state_tensors.ts";
import {
  type Supervised,
  type SupervisedConfig,
  superviseTraining,
} from "../../training/supervise.ts";

/** Columns of metrics.csv. */
export const LANGUAGE_METRICS = [
  ...["loss", "valLoss", "gradNorm", "skippedSteps", "learningRate", "textsPerSecond"] as const,
];

/** What is trained, and on what. */
export interface LanguageTraining {
  /** Where tensors are computed. */
  readonly device: Device;
  /** The run's folder. */
  readonly run: Pick<RunFolder, "directory" | "record">;
  /** What the model is called in messages. */
  readonly name: string;
  /** Its sizes. */
  readonly model: Gpt2Config;
  /** Its tokens. */
  readonly tokenizer: TextTokenizer;
  /** Sequences to train on. */
  readonly train: readonly LanguageExample[];
  /** Sequences to measure with. */
  readonly validation: readonly LanguageExample[];
  /** How it is trained. */
  readonly config: SupervisedConfig & {
    readonly weightDecay: number;
    readonly maxGradNorm: number;
  };
  /** The seed. */
  readonly seed: number;
}

/** A GPT-2 after training, and how that went. */
export interface TrainedLanguageModel extends Supervised {
  /** The model, its weights being the moving average. */
  readonly model: LanguageModel;
}

/** Trains a GPT-2, from its last checkpoint on if there is one. */
export async function trainLanguageModel(
  { device, run, name, model, tokenizer, train, validation, config, seed }: LanguageTraining,
): Promise<TrainedLanguageModel> {
  const random = randomStream(seed).stream("language model");
  const specs = gpt2Specs(model);
  const optimizer = { weightDecay: config.weightDecay, maxGradNorm: config.maxGradNorm };
  const found = await findCheckpoint(run.directory);
  describeDamage(found).forEach((line) => console.error(line));
  const checkpoint = found === undefined ? undefined : await loadCheckpoint(found.directory);
  if (checkpoint !== undefined) checkSameRun(checkpoint, run.record, []);
  const state = checkpoint === undefined
    ? initTrainState(initParameters(specs, random.stream("weights")), specs, adamW(optimizer))
    : loadTrainState(checkpoint, specs, adamW(optimizer).slots);
  const done = checkpoint?.state?.step ?? 0;
  console.log(
    `${name}: ${countParameters(specs).toLocaleString("en")} parameters, ${train.length} ` +
      `sequences, ${run.directory}${done > 0 ? `, going on at step ${done}` : ""}`,
  );

  const lengths = bucketLengths([...train, ...validation].map(({ ids }) => ids.length), {
    maximum: model.nPositions,
  });
  const padId = tokenizer.id("eos");
  const sequencesAt = languageBatches(train, {
    ...{ batchSize: config.batchSize, lengths, padId },
    random: random.stream("data order"),
  });
  const batchAt = (step: number): { batch: LossBatch } => ({ batch: sequencesAt(step) });
  type Batch = { tokens: HostArray; labels: HostArray };
  const loss: BatchLoss = (parameters, { tokens, labels }) => ({
    loss: gpt2Loss(parameters, tokens as tf.Tensor2D, model, labels as tf.Tensor2D),
  });
  const trainStep = compileLossStep(device, { ...{ specs, optimizer }, loss });
  const lossOf = device.compile<{ parameters: HostArray; batch: Batch }, { loss: HostArray }>(
    ({ parameters, batch }) => loss(unravelTensor(parameters, specs), batch),
  );
  const heldOut = Array.from(
    { length: Math.ceil(validation.length / config.batchSize) },
    (_, i) => {
      const part = validation.slice(i * config.batchSize, (i + 1) * config.batchSize);
      return languageBatch(part, lengths, padId);
    },
  );
  using metrics = await MetricsLog.open(`${run.directory}/metrics.csv`, LANGUAGE_METRICS, {
    resumeStep: checkpoint === undefined ? undefined : done,
  });
  const window = new MeanWindow(checkpoint?.state?.details?.["window"] as JsonObject);
  const trained = await superviseTraining({
    directory: run.directory,
    ...{ config, device, trainStep, state, done, metrics, unit: "texts", batchAt },
    window: {
      add: (step) => window.addStep(step),
      means: () => window.means(),
      take: () => window.take(),
    },
    measure: async ({ ema }) => {
      let [sum, count] = [0, 0];
      for (const { tokens, labels } of heldOut) {
        const said = labels.data.filter((label) => label !== IGNORED_LABEL).length;
        const { loss } = await lossOf({ parameters: ema, batch: { tokens, labels } });
        sum += said * loss.data[0]!;
        count += said;
      }
      return { valLoss: count === 0 ? undefined : sum / count };
    },
    save: (state, step) =>
      saveCheckpoint(
        run.directory,
        languageCheckpoint({
          ...{ config: model, tokenizer, state, step, seed },
          configHash: run.record.configHash,
          details: { window: window.toJson(), run: runDetails(run.record) },
        }),
      ),
  });
  await trainStep.dispose();
  await lossOf.dispose();
  return {
    ...trained,
    model: { config: model, tokenizer, parameters: unravel(trained.state.ema, specs) },
  };
}
