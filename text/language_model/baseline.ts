/**
 * `--baseline` of text.ts: a GPT-2 of the denoiser's size that answers the same problems, directly or
 * with written-out steps. Ye et al. (2024, table 1) compare Diffusion of Thought with such models.
 */
import { conditionEncoderSpecs, latentDenoiserSpecs } from "../denoiser/network.ts";
import type { Device } from "../../engine/device.ts";
import { usageError } from "../../base/errors.ts";
import { ANSWER_MARK } from "../../datasets/thoughts.ts";
import { countParameters } from "../../nn/parameters.ts";
import { type Gpt2Config, gpt2Specs } from "../../vae/gpt2.ts";
import {
  answerSequence,
  type LanguageExample,
  questionTokens,
} from "../../vae/language_batches.ts";
import type { TextTokenizer } from "../../vae/tokenizer/tokenizer.ts";
import type { LanguageModel } from "./checkpoint.ts";
import { type LanguageTrainingConfig, trainLanguageModel } from "./train.ts";
import { openRunFolder, type RunFolderOptions } from "../../cli/run_folder.ts";
import type { LatentExample, TextData } from "../examples.ts";
import { denoiserOf } from "../denoiser/config.ts";
import type { DenoiserConfig } from "../settings.ts";
import type { LoadedTextVae } from "../autoencoder/checkpoint.ts";

export const BASELINES = ["direct", "cot"] as const;

/** One of {@linkcode BASELINES}: the answer alone, or steps before it (a chain of thought). */
export type BaselineKind = typeof BASELINES[number];

/** What the records of baselines and of the perplexity model share with the denoiser's. */
export type SharedRun = Pick<RunFolderOptions, "session" | "seed" | "data" | "overwrite">;

export function baselineAnswer({ targets, answer }: LatentExample, kind: BaselineKind): string {
  return kind === "cot" ? targets.join(" ") : `${ANSWER_MARK} ${answer ?? ""}`;
}

/**
 * A GPT-2 with the given layers and heads, whose width makes its number of parameters nearest to
 * `parameters`.
 */
export function gpt2OfSize(
  parameters: number,
  { layers, heads, vocabSize, positions, initializerRange }: Readonly<
    Record<"layers" | "heads" | "vocabSize" | "positions" | "initializerRange", number>
  >,
): Gpt2Config {
  const withWidth = (nEmbd: number): Gpt2Config => ({
    vocabSize,
    nPositions: positions,
    nEmbd,
    nLayer: layers,
    nHead: heads,
    layerNormEpsilon: 1e-5,
    initializerRange,
  });
  const distance = (config: Gpt2Config) =>
    Math.abs(countParameters(gpt2Specs(config)) - parameters);
  let best = withWidth(heads);
  for (let width = 2 * heads;; width += heads) {
    const next = withWidth(width);
    if (distance(next) > distance(best)) return best;
    best = next;
  }
}

export interface BaselineTask {
  readonly device: Device;
  readonly vae: LoadedTextVae; // autoencoder, whose tokenizer is used
  readonly data: TextData;
  readonly config: DenoiserConfig; // denoiser's settings, whose training the baseline follows
  readonly folder: string;
  readonly kind: BaselineKind;
  readonly shared: SharedRun; // what its record shares with the denoiser's
  readonly log: (line: string) => void;
}

export interface BaselineSequences {
  readonly train: readonly LanguageExample[];
  readonly validation: readonly LanguageExample[];
  readonly questions: readonly Int32Array[]; // of the test problems
  readonly answerTokens: number; // tokens of the longest training answer, with its end token
}

export function baselineSequences(
  { data, config, kind }: Pick<BaselineTask, "data" | "config" | "kind">,
  tokenizer: TextTokenizer,
): BaselineSequences {
  const { train, validation, test } = data.examples(config);
  const sequences = (examples: readonly LatentExample[]) =>
    examples.map((example) =>
      answerSequence(example.source ?? "", baselineAnswer(example, kind), tokenizer)
    );
  const trained = sequences(train);
  return {
    train: trained,
    validation: sequences(validation).slice(0, config.validationSize),
    questions: test.map(({ source = "" }) => questionTokens(source, tokenizer)),
    answerTokens: trained.reduce((most, { ids, given }) => Math.max(most, ids.length - given), 1),
  };
}

export const baselineFolder = (root: string, kind: BaselineKind): string =>
  `${root}/baseline-${kind}`;

/** @throws {UserError} With exit code 2 for a data set without problems, or a stage without a baseline. */
export function checkBaseline(
  kind: string,
  { condition }: Pick<DenoiserConfig, "condition">,
  stage = "all",
) {
  if (kind === "none" && stage === "baseline") {
    throw usageError("--stage baseline needs --baseline: give that too, direct or cot.");
  }
  if (kind === "none" || condition === "question") return;
  throw usageError(
    `--baseline ${kind} is for problems, which have answers: --dataset multiplication or math, or --problems.`,
  );
}

/** Trains a baseline with the denoiser's steps, batch size and learning rates; undefined if interrupted. */
export async function trainBaseline(
  task: BaselineTask,
  sequences: BaselineSequences,
): Promise<LanguageModel | undefined> {
  const { device, vae, data, config, folder, kind, shared, log } = task;
  const { model: denoiser } = denoiserOf(config, vae, data.examples(config).classes);
  const longest = (lengths: readonly number[]) => lengths.reduce((a, b) => Math.max(a, b), 1);
  const { train, validation, questions, answerTokens } = sequences;
  const positions = longest([
    ...[...train, ...validation].map(({ ids }) => ids.length),
    ...questions.map(({ length }) => length + answerTokens),
  ]);
  const model = gpt2OfSize(
    countParameters({ ...latentDenoiserSpecs(denoiser), ...conditionEncoderSpecs(denoiser) }),
    {
      layers: config.layers,
      heads: config.heads,
      vocabSize: vae.tokenizer.vocabSize,
      positions: Math.ceil(positions / 8) * 8,
      initializerRange: vae.config.decoder.initializerRange,
    },
  );
  const training: LanguageTrainingConfig = {
    steps: config.steps,
    batchSize: config.batchSize,
    learningRate: config.learningRate,
    lrSchedule: config.lrSchedule,
    warmupSteps: config.warmupSteps,
    emaDecay: config.emaDecay,
    logEvery: config.logEvery,
    evalEvery: config.evalEvery,
    checkpointEvery: config.checkpointEvery,
    weightDecay: config.weightDecay,
    maxGradNorm: config.maxGradNorm,
  };
  using run = await openRunFolder({
    ...shared,
    directory: folder,
    program: "text-baseline",
    config: { kind, model, ...training },
    results: ["samples"],
    steps: training.steps,
  });
  const trained = await trainLanguageModel({
    device,
    run,
    model,
    tokenizer: vae.tokenizer,
    train,
    validation,
    name: `baseline ${kind}`,
    config: training,
    seed: shared.seed,
    log,
  });
  return trained.interrupted ? undefined : trained.model;
}
