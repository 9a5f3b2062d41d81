/** The GPT-2 that measures perplexity and MAUVE: a given one, or one that is trained here. */
import { openRunFolder } from "../../cli/run_folder.ts";
import type { Device } from "../../engine/device.ts";
import { type LanguageExample, textSequence } from "../../vae/language_batches.ts";
import { openModelFiles } from "../../datasets/download/hub.ts";
import type { LoadedTextVae } from "../autoencoder/checkpoint.ts";
import { cutTexts, textPieces } from "../autoencoder/cut_texts.ts";
import type { LatentExample, LatentExamples } from "../examples.ts";
import type { EvaluationConfig } from "../settings.ts";
import type { SharedRun } from "./baseline.ts";
import { type LanguageModel, loadLanguageModel } from "./checkpoint.ts";
import { type LanguageTrainingConfig, trainLanguageModel } from "./train.ts";

const BATCH = 32;

/** The largest width that is taken from the decoder: wider models would take hours. */
const WIDEST = 256;

const ROWS = 20;

export interface PerplexityModel {
  readonly model: LanguageModel;
  readonly name: string; // its description in protocols
  readonly sequence: (text: string) => LanguageExample; // tokens of a text
}

function perplexityModel(model: LanguageModel, name: string): PerplexityModel {
  const limit = model.config.nPositions - 2;
  return { model, name, sequence: (text) => textSequence(text, model.tokenizer, limit) };
}

function trainingConfig(steps: number): LanguageTrainingConfig {
  const every = Math.max(1, Math.floor(steps / ROWS));
  return {
    steps,
    batchSize: BATCH,
    learningRate: 1e-3,
    lrSchedule: "cosine",
    warmupSteps: Math.floor(steps / 10),
    weightDecay: 0.01,
    maxGradNorm: 1,
    emaDecay: 0.999,
    logEvery: every,
    evalEvery: every,
    checkpointEvery: steps,
  };
}

/**
 * Opens the GPT-2 that `judge` names, or trains one on the training texts: of the decoder's size, or 4
 * layers of 256 features where that is wider. Returns undefined if training was interrupted.
 */
export async function openPerplexityModel(
  { judge, judgeSteps }: Pick<EvaluationConfig, "judge" | "judgeSteps">,
  { device, vae, folder, examples, shared, log }: {
    readonly device: Device;
    readonly vae: LoadedTextVae;
    readonly folder: string;
    readonly examples: Pick<LatentExamples, "train" | "validation">;
    readonly shared: SharedRun;
    readonly log: (line: string) => void;
  },
): Promise<PerplexityModel | undefined> {
  if (judge !== undefined) {
    const model = await loadLanguageModel(await openModelFiles(judge));
    return perplexityModel(model, `the GPT-2 of ${judge}`);
  }
  const { tokenizer, config: { decoder, maxTokens } } = vae;
  const sizes = decoder.nEmbd <= WIDEST ? {} : { nEmbd: WIDEST, nLayer: 4, nHead: 4 };
  const model = { ...decoder, ...sizes, nPositions: maxTokens + 2 };
  const textsOf = (part: readonly LatentExample[]) => part.flatMap(({ targets }) => targets);
  const train = textPieces(textsOf(examples.train), vae); // from starts alone, it learns only starts
  const validation = cutTexts(textsOf(examples.validation), vae);
  const config = trainingConfig(judgeSteps);
  using run = await openRunFolder({
    ...shared,
    directory: folder,
    program: "text-judge",
    // The pieces depend on the autoencoder.
    config: { model, ...config, trainingTexts: train.length },
    steps: judgeSteps,
  });
  const sequencesOf = (texts: readonly string[]) =>
    texts.map((text) => textSequence(text, tokenizer, maxTokens));
  const trained = await trainLanguageModel({
    device,
    run,
    model,
    tokenizer,
    config,
    name: "judge",
    seed: shared.seed,
    train: sequencesOf(train),
    validation: sequencesOf(validation),
    log,
  });
  if (trained.interrupted) return undefined;
  const pieces = train.length.toLocaleString("en");
  return perplexityModel(
    trained.model,
    `a GPT-2 trained here on ${pieces} pieces of the training texts (${judgeSteps} steps)`,
  );
}
