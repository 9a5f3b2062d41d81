/**
 * `--baseline` of text.ts: a GPT-2 of the denoiser's size that answers the same problems, directly or
 * with written-out steps, as Diffusion of Thought is compared with (Ye et al. 2024, table 1).
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
import { trainLanguageModel } from "./train.ts";
import { openRunFolder, type RunFolderOptions } from "../../cli/run_folder.ts";
import type { LatentExample, TextData } from "../data.ts";
import { denoiserOf, trainingConfigOf } from "../denoiser/train.ts";
import type { TextDiffusionConfig } from "../denoiser_flags.ts";
import type { LoadedTextVae } from "../autoencoder/checkpoint.ts";

/** Ways to answer. */
export const BASELINES = ["direct", "cot"] as const;

/** One of {@linkcode BASELINES}: the answer alone, or steps before it (a chain of thought). */
export type BaselineKind = typeof BASELINES[number];

/** What every run beside the main one shares with it. */
export type SharedRun = Pick<RunFolderOptions, "session" | "seed" | "data" | "overwrite">;

/** What a baseline says to a problem. */
export function baselineAnswer({ targets, answer }: LatentExample, kind: BaselineKind): string {
  return kind === "cot" ? targets.join(" ") : `${ANSWER_MARK} ${answer ?? ""}`;
}

/**
 * A GPT-2 with the given layers and heads whose number of parameters is nearest to another model's.
 *
 * @param parameters The other model's.
 */
export function gpt2OfSize(
  parameters: number,
  { layers, heads, vocabSize, positions, initializerRange }: {
    readonly layers: number;
    readonly heads: number;
    readonly vocabSize: number;
    readonly positions: number;
    readonly initializerRange: number;
  },
): Gpt2Config {
  const withWidth = (nEmbd: number): Gpt2Config => ({
    ...{ vocabSize, nPositions: positions, nEmbd, nLayer: layers, nHead: heads },
    ...{ layerNormEpsilon: 1e-5, initializerRange },
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

/** Everything that a baseline is trained and asked with. */
export interface BaselineTask {
  /** Where tensors are computed. */
  readonly device: Device;
  /** The autoencoder, whose tokens are used. */
  readonly vae: LoadedTextVae;
  /** The data set. */
  readonly data: TextData;
  /** The denoiser's settings: its training is followed. */
  readonly config: TextDiffusionConfig;
  /** The folder of the baseline. */
  readonly folder: string;
  /** How it answers. */
  readonly kind: BaselineKind;
  /** What its run shares with the main one. */
  readonly shared: SharedRun;
}

/** The problems as sequences, and how long they are. */
export interface BaselineSequences {
  /** To train on. */
  readonly train: readonly LanguageExample[];
  /** To measure with. */
  readonly validation: readonly LanguageExample[];
  /** The questions to be scored. */
  readonly questions: readonly Int32Array[];
  /** Tokens of an answer at most, its end included: those of the longest to train on. */
  readonly answerTokens: number;
}

/** Problems as a baseline's tokens. */
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
    validation: sequences(validation).slice(0, config.diffusionValidationSize),
    questions: test.map(({ source = "" }) => questionTokens(source, tokenizer)),
    answerTokens: trained.reduce((most, { ids, given }) => Math.max(most, ids.length - given), 1),
  };
}

/** The folder of a run's baseline. */
export const baselineFolder = (root: string, kind: BaselineKind): string =>
  `${root}/baseline-${kind}`;

/** @throws {UserError} With exit code 2 for a data set without problems, or a stage without a baseline. */
export function checkBaseline(
  kind: string,
  { condition }: Pick<TextDiffusionConfig, "condition">,
  stage = "all",
) {
  if (kind === "none" && stage === "baseline") {
    throw usageError(
      "--stage baseline trains what --baseline names: give that too, direct or cot.",
    );
  }
  if (kind === "none" || condition === "question") return;
  throw usageError(
    `--baseline ${kind} is for --dataset multiplication or math, which have answers.`,
  );
}

/**
 * Trains a baseline, from its last checkpoint on if there is one: for as many steps, of as many problems,
 * at the same rates as the denoiser.
 *
 * @returns The model; undefined where training was interrupted.
 */
export async function trainBaseline(
  task: BaselineTask,
  sequences: BaselineSequences,
): Promise<LanguageModel | undefined> {
  const { device, vae, data, config, folder, kind, shared } = task;
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
      layers: config.denoiserLayers,
      heads: config.denoiserHeads,
      vocabSize: vae.tokenizer.vocabSize,
      positions: Math.ceil(positions / 8) * 8,
      initializerRange: vae.config.decoder.initializerRange,
    },
  );
  const training = {
    ...trainingConfigOf(config),
    weightDecay: config.diffusionWeightDecay,
    maxGradNorm: config.diffusionMaxGradNorm,
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
    ...{ device, run, model, tokenizer: vae.tokenizer, train, validation },
    ...{ name: `baseline ${kind}`, config: training, seed: shared.seed },
  });
  return trained.interrupted ? undefined : trained.model;
}
