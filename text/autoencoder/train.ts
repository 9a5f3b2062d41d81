/** Stage `vae` of text.ts: trains a text autoencoder. */
import type { Device } from "../../engine/device.ts";
import type { JsonObject } from "../../base/json.ts";
import type * as tf from "../../engine/tf.ts";
import { compileTextLoss } from "./validation_loss.ts";
import { adamW } from "../../nn/optimizers.ts";
import { countParameters, type Parameters, unravel } from "../../nn/parameters.ts";
import { randomStream } from "../../nn/random.ts";
import { textVaeSpecs } from "../../vae/text_vae.ts";
import { encoderTokens, type TextVaeConfig } from "../../vae/text_vae_config.ts";
import { type TextVaeBatch, textVaeLoss } from "../../vae/text_vae_loss.ts";
import { textBatchParts } from "../../training/batch_parts.ts";
import { loadCheckpoint } from "../../training/checkpoint/checkpoint.ts";
import {
  describeDamage,
  findCheckpoint,
  saveCheckpoint,
} from "../../training/checkpoint/folders.ts";
import { compileLossStep, type LossBatch } from "../../training/loss_step.ts";
import { MeanWindow } from "../../training/mean_window.ts";
import { MetricsLog } from "../../training/metrics.ts";
import type { RunFolder } from "../../cli/run_folder.ts";
import { checkSameRun, runDetails } from "../../cli/compare_runs.ts";
import { loadTrainState } from "../../training/checkpoint/state_tensors.ts";
import { type Supervised, superviseTraining } from "../../training/supervise.ts";
import { TEXT_EXTENDABLE } from "../flags.ts";
import { decoderNoiseOf, rateOfParameter, textVaeConfigOf } from "../config.ts";
import type { TextData } from "../data.ts";
import { configsOf } from "./published.ts";
import type { TextStart } from "../start.ts";
import { textVaeBatches } from "./batches.ts";
import { type LoadedTextVae, loadTextVae, textVaeCheckpoint } from "./checkpoint.ts";
import { initTextVae, type PreparedTexts, prepareTexts } from "./start.ts";

/** Columns of metrics.csv. */
export const TEXT_METRICS = [
  ...["loss", "reconstruction", "divergence"] as const,
  ...["valLoss", "valPerplexity", "valTokenAccuracy"] as const,
  ...["gradNorm", "skippedSteps", "learningRate", "textsPerSecond"] as const,
];

/** An autoencoder after training, and how that went. */
export interface TrainedTextVae extends Supervised {
  /** Steps that had been taken before. */
  readonly done: number;
  /** The model: the moving average of its weights. */
  readonly vae: LoadedTextVae;
  /** The texts as its tokens. */
  readonly texts: PreparedTexts;
  /** The lengths that batches are padded to. */
  readonly buckets: readonly number[];
}

/** Trains the autoencoder, from its last checkpoint on if there is one. */
export async function trainTextVae(
  { config, model: begun, published }: Pick<TextStart, "config" | "model" | "published">,
  { device, data, folder }: {
    readonly device: Device;
    readonly data: TextData;
    readonly folder: Pick<RunFolder, "directory" | "record">;
  },
): Promise<TrainedTextVae> {
  const random = randomStream(config.seed);
  const { directory, record: { configHash } } = folder;

  // Tokens and model: from the last checkpoint if there is one, or from scratch.
  const found = await findCheckpoint(directory);
  describeDamage(found).forEach((line) => console.error(line));
  let checkpoint = found === undefined ? undefined : await loadCheckpoint(found.directory);
  if (checkpoint !== undefined) checkSameRun(checkpoint, folder.record, TEXT_EXTENDABLE);
  let loaded = checkpoint === undefined ? begun : loadTextVae(checkpoint);
  const { encoder, decoder } = published;
  const texts = prepareTexts(data, config, {
    ...(decoder === undefined ? {} : { tokenizer: decoder.tokenizer }),
    ...(encoder === undefined ? {} : { encoderTokenizer: encoder.tokenizer }),
    ...loaded,
    encoderTokens: encoderTokens(
      loaded?.config ?? textVaeConfigOf(config, config.vocabSize, configsOf(published)),
    ),
  });
  const { tokenizer, encoderTokenizer } = texts;
  const learned = decoder === undefined ? tokenizer : encoderTokenizer;
  const model: TextVaeConfig = {
    ...loaded?.config ?? textVaeConfigOf(config, learned.vocabSize, configsOf(published)),
    ...(config.freeze === "decoder" ? {} : { decoderNoise: decoderNoiseOf(config) }),
  };
  const specs = textVaeSpecs(model);
  const { optimizer: rule, weightDecay, maxGradNorm, adamBeta2: beta2 } = config;
  const optimizer = { rule, weightDecay, maxGradNorm, beta2 };
  const { step: done = 0, details } = checkpoint?.state ?? {};
  const batches = textVaeBatches({ ...texts, model, config, random });
  console.log(
    `${countParameters(specs).toLocaleString("en")} parameters, ${tokenizer.vocabSize} tokens, ` +
      `lengths ${batches.buckets.join(", ")}, ${device.name} device, ${device.threads} threads, ` +
      `${directory}${done > 0 ? `, going on at step ${done}` : ""}`,
  );

  // Training.
  const trainStep = compileLossStep(device, {
    specs,
    optimizer,
    // Without decay, the average is the weights: a fifth of the memory less.
    ema: config.emaDecay > 0,
    rateOf: rateOfParameter(config),
    loss: (parameters: Parameters, batch: Readonly<Record<string, tf.Tensor>>) =>
      textVaeLoss(parameters, batch as unknown as TextVaeBatch, model, config),
  });
  const state = checkpoint === undefined
    ? trainStep.start(
      loaded?.parameters ??
        await initTextVae(model, config, random.stream("weights"), published),
    )
    : trainStep.restore(loadTrainState(checkpoint, specs, adamW(optimizer).slots));
  // What was read of a checkpoint is as large as what the step keeps.
  checkpoint = loaded = undefined;
  const textLoss = compileTextLoss(device, { config: model, specs });
  using metrics = await MetricsLog.open(`${directory}/metrics.csv`, TEXT_METRICS, {
    resumeStep: found === undefined ? undefined : done,
  });
  const window = new MeanWindow(details?.["window"] as JsonObject);
  const batchAt = (step: number): { batch: LossBatch | readonly LossBatch[] } => {
    const { batch } = batches.batchAt(step);
    return { batch: config.accumulate === 1 ? batch : textBatchParts(batch, config.accumulate) };
  };
  const trained = await superviseTraining({
    ...{ config, device, directory, trainStep, done, metrics, unit: "texts" },
    ...{ state, batchAt },
    window: {
      add: ({ figures, ...step }) =>
        window.addStep(step, {
          reconstruction: figures["reconstruction"]!.data[0],
          divergence: figures["divergence"]!.data[0],
        }),
      means: () => window.means(),
      take: () => window.take(),
    },
    measure: async ({ ema }) => {
      const { loss, perplexity, tokenAccuracy } = await textLoss(ema, batches.heldOut);
      return { valLoss: loss, valPerplexity: perplexity, valTokenAccuracy: tokenAccuracy };
    },
    save: (state, step) =>
      saveCheckpoint(
        directory,
        textVaeCheckpoint({
          ...{ config: model, tokenizer, encoderTokenizer, state, step, configHash },
          seed: config.seed,
          details: { window: window.toJson(), run: runDetails(folder.record) },
        }),
      ),
  });
  await trainStep.dispose();
  await textLoss.dispose();
  const parameters = unravel(trained.state.ema, specs);
  const vae = { config: model, tokenizer, encoderTokenizer, parameters };
  return { ...trained, done, vae, texts, buckets: batches.buckets };
}
