/** The GPT-2 that judges texts: one that is given, or one that is trained here on the same texts. */
import type { Device } from "../../engine/device.ts";
import { type LanguageExample, textSequence } from "../../vae/language_batches.ts";
import { openModelFiles } from "../../datasets/download/hub.ts";
import { type LanguageModel, loadLanguageModel } from "./checkpoint.ts";
import { trainLanguageModel } from "./train.ts";
import { openRunFolder } from "../../cli/run_folder.ts";
import type { SharedRun } from "./baseline.ts";
import type { TextEvaluationConfig } from "../denoiser_flags.ts";
import type { LoadedTextVae } from "../autoencoder/checkpoint.ts";

/** Texts a step of the judge's training. */
const BATCH = 32;

/** The widest decoder that the judge is as large as: wider ones would take hours. */
const WIDEST = 256;

/** Rows of its metrics.csv. */
const ROWS = 20;

/** A judge. */
export interface Judge {
  /** The model. */
  readonly model: LanguageModel;
  /** What protocols call it. */
  readonly name: string;
  /** A text as its tokens. */
  readonly sequence: (text: string) => LanguageExample;
}

/** A model as a judge. */
function judgeOf(model: LanguageModel, name: string): Judge {
  const limit = model.config.nPositions - 2;
  return { model, name, sequence: (text) => textSequence(text, model.tokenizer, limit) };
}

/**
 * Opens the judge that is named, or trains one of the sizes of the autoencoder's decoder, or of 4 layers of
 * 256 features where that is larger, with its tokens.
 *
 * @param folder The folder of its run.
 * @param texts Pieces of texts to train on, and texts to measure with; asked for where one is trained.
 * @returns undefined where training was interrupted.
 * @throws {UserError} If the judge that is named is missing or unsound.
 */
export async function openJudge(
  { judge, judgeSteps }: Pick<TextEvaluationConfig, "judge" | "judgeSteps">,
  { device, vae, folder, texts, shared }: {
    readonly device: Device;
    readonly vae: LoadedTextVae;
    readonly folder: string;
    readonly texts: () => {
      readonly train: readonly string[];
      readonly validation: readonly string[];
    };
    readonly shared: SharedRun;
  },
): Promise<Judge | undefined> {
  if (judge !== undefined) {
    return judgeOf(await loadLanguageModel(await openModelFiles(judge)), `the GPT-2 of ${judge}`);
  }
  const { tokenizer, config: { decoder, maxTokens } } = vae;
  const sizes = decoder.nEmbd <= WIDEST ? {} : { nEmbd: WIDEST, nLayer: 4, nHead: 4 };
  const model = { ...decoder, ...sizes, nPositions: maxTokens + 2 };
  const { train, validation } = texts();
  const every = Math.max(1, Math.floor(judgeSteps / ROWS));
  const config = {
    ...{ steps: judgeSteps, batchSize: BATCH, learningRate: 1e-3, lrSchedule: "cosine" as const },
    ...{ warmupSteps: Math.floor(judgeSteps / 10), weightDecay: 0.01, maxGradNorm: 1 },
    ...{ emaDecay: 0.999, logEvery: every, evalEvery: every, checkpointEvery: judgeSteps },
  };
  using run = await openRunFolder({
    ...shared,
    directory: folder,
    program: "text-judge",
    // Of the same reviews, other pieces may be made.
    config: { model, ...config, trainingTexts: train.length },
    steps: judgeSteps,
  });
  const sequencesOf = (texts: readonly string[]) =>
    texts.map((text) => textSequence(text, tokenizer, maxTokens));
  const trained = await trainLanguageModel({
    ...{ device, run, model, tokenizer, config, name: "judge", seed: shared.seed },
    train: sequencesOf(train),
    validation: sequencesOf(validation),
  });
  if (trained.interrupted) return undefined;
  const pieces = train.length.toLocaleString("en");
  return judgeOf(
    trained.model,
    `a GPT-2 trained here on ${pieces} pieces of the training texts (${judgeSteps} steps)`,
  );
}
