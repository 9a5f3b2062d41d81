/** Stage `vae` of text.ts: trains a text autoencoder. */
import { runDetails } from "../../cli/compare_runs.ts";
import type { RunFolder } from "../../cli/run_folder.ts";
import { openTraining, resumeRun } from "../../cli/training.ts";
import type { Device } from "../../engine/device.ts";
import { adamSlots } from "../../nn/adamw.ts";
import { countParameters, unravel } from "../../nn/parameters.ts";
import { randomStream } from "../../nn/random.ts";
import type { LoadedCheckpoint } from "../../training/checkpoint/checkpoint.ts";
import { loadTrainState } from "../../training/checkpoint/state_tensors.ts";
import { compileTrainStep, type TrainStep } from "../../training/step.ts";
import { MeanWindow } from "../../training/windows.ts";
import { textVaeSpecs } from "../../vae/text_vae.ts";
import { encoderTokens, type TextVaeConfig } from "../../vae/text_vae_config.ts";
import { type TextVaeBatch, textVaeLoss } from "../../vae/text_vae_loss.ts";
import { decoderNoiseOf, rateOfParameter, textVaeConfigOf } from "../config.ts";
import type { TextData } from "../examples.ts";
import { AUTOENCODER_EXTENDABLE, type TextConfig } from "../settings.ts";
import type { TextStart } from "../start.ts";
import { type TextBatch, textBatchParts } from "./batch_parts.ts";
import { textVaeBatches } from "./batches.ts";
import { type LoadedTextVae, loadTextVae, textVaeCheckpoint } from "./checkpoint.ts";
import { configsOf } from "./published.ts";
import { initTextVae, type PreparedTexts, prepareTexts } from "./start.ts";
import { compileTextLoss } from "./validation_loss.ts";

export const TEXT_METRICS = [
  "loss",
  "reconstruction",
  "divergence",
  "valLoss",
  "valPerplexity",
  "valTokenAccuracy",
  "gradNorm",
  "skippedSteps",
  "learningRate",
  "textsPerSecond",
] as const;

export interface TrainedTextVae {
  readonly interrupted: boolean;
  readonly vae: LoadedTextVae; // model: the moving average of its weights
  readonly texts: PreparedTexts; // as its tokens
  readonly buckets: readonly number[]; // lengths that batches are padded to
}

/** Prepares tokens and model: from the last checkpoint, from a starting model, or from scratch. */
function prepare(
  { config, model: starting, published }: Pick<TextStart, "config" | "model" | "published">,
  data: TextData,
  checkpoint: LoadedCheckpoint | undefined,
  log: (line: string) => void,
) {
  const loaded = checkpoint === undefined ? starting : loadTextVae(checkpoint);
  const { encoder, decoder } = published;
  const configOf = (vocabSize: number) =>
    loaded?.config ?? textVaeConfigOf(config, vocabSize, configsOf(published));
  const known = {
    tokenizer: decoder?.tokenizer,
    encoderTokenizer: encoder?.tokenizer,
    ...loaded,
    encoderTokens: encoderTokens(configOf(config.vocabSize)),
  };
  const texts = prepareTexts(data, config, known, log);
  const { vocabSize } = decoder === undefined ? texts.tokenizer : texts.encoderTokenizer;
  const model: TextVaeConfig = {
    ...configOf(vocabSize),
    ...(config.freeze === "decoder" ? {} : { decoderNoise: decoderNoiseOf(config) }),
  };
  return { model, specs: textVaeSpecs(model), texts, loaded };
}

function optimizerOf({ optimizer, weightDecay, maxGradNorm, adamBeta2 }: TextConfig) {
  return { rule: optimizer, weightDecay, maxGradNorm, beta2: adamBeta2 };
}

/** Compiles the step, and restores the state of the checkpoint, or starts with the given weights. */
async function compileStep(
  device: Device,
  { config, published }: Pick<TextStart, "config" | "published">,
  { model, specs, loaded }: ReturnType<typeof prepare>,
  checkpoint: LoadedCheckpoint | undefined,
) {
  const optimizer = optimizerOf(config);
  const trainStep: TrainStep<TextBatch, "reconstruction" | "divergence"> = compileTrainStep(
    device,
    {
      specs,
      optimizer,
      ema: config.emaDecay > 0, // without decay, the average is the weights: a fifth of the memory less
      rateOf: rateOfParameter(config),
      loss: (parameters, batch) =>
        textVaeLoss(parameters, batch as unknown as TextVaeBatch, model, config),
    },
  );
  if (checkpoint !== undefined) {
    const state = loadTrainState(checkpoint, specs, { slots: adamSlots(optimizer) });
    return { trainStep, state: trainStep.restore(state) };
  }
  const random = randomStream(config.seed).stream("weights");
  const weights = loaded?.parameters ?? await initTextVae(model, config, random, published);
  return { trainStep, state: trainStep.start(weights) };
}

/** The model with its state in the memory of the step. The weights it came from are not kept. */
async function openModel(
  device: Device,
  start: Pick<TextStart, "config" | "model" | "published">,
  { data, checkpoint, log }: {
    readonly data: TextData;
    readonly checkpoint: LoadedCheckpoint | undefined;
    readonly log: (line: string) => void;
  },
) {
  const prepared = prepare(start, data, checkpoint, log);
  const { model, specs, texts } = prepared;
  return { model, specs, texts, ...await compileStep(device, start, prepared, checkpoint) };
}

/** Trains the autoencoder, from its last checkpoint if there is one. */
export async function trainTextVae(
  start: Pick<TextStart, "config" | "model" | "published">,
  { device, data, folder, log }: {
    readonly device: Device;
    readonly data: TextData;
    readonly folder: Pick<RunFolder, "directory" | "record">;
    readonly log: (line: string) => void;
  },
): Promise<TrainedTextVae> {
  const { config } = start;
  const { directory, record } = folder;

  // The model, its step, and the batches.
  let checkpoint = await resumeRun(folder, AUTOENCODER_EXTENDABLE);
  const opened = await openModel(device, start, { data, checkpoint, log });
  const { model, specs, texts, trainStep, state } = opened;
  const { tokenizer, encoderTokenizer } = texts;
  const random = randomStream(config.seed);
  const batches = textVaeBatches({ ...texts, model, config, random });
  const batchAt = (step: number) => {
    const { batch } = batches.batchAt(step);
    return { batch: config.accumulate === 1 ? batch : textBatchParts(batch, config.accumulate) };
  };
  const textLoss = compileTextLoss(device, { config: model, specs });
  const window = new MeanWindow(checkpoint?.state?.details?.["window"]);
  const checkpointOf = (step: number) =>
    textVaeCheckpoint({
      config: model,
      tokenizer,
      encoderTokenizer,
      state,
      step,
      configHash: record.configHash,
      seed: config.seed,
      details: { window: window.toJson(), run: runDetails(record) },
    });

  await using training = await openTraining({
    description: `${countParameters(specs).toLocaleString("en")} parameters, ` +
      `${tokenizer.vocabSize} tokens, lengths ${batches.buckets.join(", ")}, ` +
      `${device.name} device, ${device.threads} threads`,
    log,
    directory,
    device,
    config,
    unit: "texts",
    label: "vae step",
    columns: TEXT_METRICS,
    checkpoint,
  });
  checkpoint = undefined; // it takes as much memory as the training state
  for await (const step of training.steps({ trainStep, batchAt, state })) {
    const { reconstruction, divergence } = step.figures;
    window.addStep(step, {
      reconstruction: reconstruction.data[0]!,
      divergence: divergence.data[0]!,
    });
    if (step.logs) {
      const measured = step.measures ? await textLoss(state.ema, batches.heldOut) : undefined;
      await training.log(step, window, {
        valLoss: measured?.loss,
        valPerplexity: measured?.perplexity,
        valTokenAccuracy: measured?.tokenAccuracy,
      });
    }
    if (step.saves) await training.save(step, checkpointOf(step.step));
  }
  await trainStep.dispose();
  await textLoss.dispose();
  const parameters = unravel(state.ema, specs);
  const vae = { config: model, tokenizer, encoderTokenizer, parameters };
  return { interrupted: training.interrupted, vae, texts, buckets: batches.buckets };
}
