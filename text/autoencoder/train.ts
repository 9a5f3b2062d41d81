/** Stage `vae` of text.ts: trains a text autoencoder. */
import type { Device } from "../../engine/device.ts";
import { compileTextLoss } from "./validation_loss.ts";
import { adamSlots } from "../../nn/adamw.ts";
import { countParameters, unravel } from "../../nn/parameters.ts";
import { randomStream } from "../../nn/random.ts";
import { textVaeSpecs } from "../../vae/text_vae.ts";
import { encoderTokens, type TextVaeConfig } from "../../vae/text_vae_config.ts";
import { type TextVaeBatch, textVaeLoss } from "../../vae/text_vae_loss.ts";
import { type TextBatch, textBatchParts } from "./batch_parts.ts";
import { compileTrainStep } from "../../training/step.ts";
import { MeanWindow } from "../../training/windows.ts";
import type { RunFolder } from "../../cli/run_folder.ts";
import { runDetails } from "../../cli/compare_runs.ts";
import { loadTrainState } from "../../training/checkpoint/state_tensors.ts";
import { openTraining, resumeRun, type TrainingResult } from "../../cli/training.ts";
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
export interface TrainedTextVae extends TrainingResult {
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
  let checkpoint = await resumeRun(folder, TEXT_EXTENDABLE);
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
  const batches = textVaeBatches({ ...texts, model, config, random });
  // Training.
  const trainStep = compileTrainStep<TextBatch, "reconstruction" | "divergence">(device, {
    specs,
    optimizer,
    // Without decay, the average is the weights: a fifth of the memory less.
    ema: config.emaDecay > 0,
    rateOf: rateOfParameter(config),
    loss: (parameters, batch) =>
      textVaeLoss(parameters, batch as unknown as TextVaeBatch, model, config),
  });
  const state = checkpoint === undefined
    ? trainStep.start(
      loaded?.parameters ??
        await initTextVae(model, config, random.stream("weights"), published),
    )
    : trainStep.restore(loadTrainState(checkpoint, specs, { slots: adamSlots(optimizer) }));
  const window = new MeanWindow(checkpoint?.state?.details?.["window"]);
  await using training = await openTraining({
    directory,
    device,
    config,
    unit: "texts",
    columns: TEXT_METRICS,
    checkpoint,
  });
  const { done } = training;
  checkpoint = loaded = undefined; // as large as the memory of the step
  console.log(
    `${countParameters(specs).toLocaleString("en")} parameters, ${tokenizer.vocabSize} tokens, ` +
      `lengths ${batches.buckets.join(", ")}, ${device.name} device, ${device.threads} threads, ` +
      `${directory}${done > 0 ? `, going on at step ${done}` : ""}`,
  );
  const textLoss = compileTextLoss(device, { config: model, specs });
  const checkpointOf = (step: number) =>
    textVaeCheckpoint({
      config: model,
      tokenizer,
      encoderTokenizer,
      state,
      step,
      configHash,
      seed: config.seed,
      details: { window: window.toJson(), run: runDetails(folder.record) },
    });
  const batchAt = (step: number) => {
    const { batch } = batches.batchAt(step);
    return { batch: config.accumulate === 1 ? batch : textBatchParts(batch, config.accumulate) };
  };
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
  return { ...training.result(), done, vae, texts, buckets: batches.buckets };
}
