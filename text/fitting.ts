/** The settings that fit a file of one's own: vocabulary, lengths, held-out part and condition. */
import { kebabCase } from "../cli/flags.ts";
import type { OwnTexts } from "../datasets/own_texts.ts";
import { type ThoughtProblem, thoughtTargets } from "../datasets/thoughts.ts";
import { trainBpe } from "../vae/tokenizer/bpe.ts";
import { TextTokenizer } from "../vae/tokenizer/tokenizer.ts";
import { areNumbers } from "./answering.ts";
import type { OwnData } from "./own_data.ts";
import type { SomeSettings, TextConfig, TextFlags, TextSettings } from "./settings.ts";

/** Settings that fit a file, and the reason for each that was not given. */
export interface FittingSettings {
  readonly settings: SomeSettings;
  readonly reasons: readonly string[];
}

const clamp = (value: number, low: number, high: number) => Math.max(low, Math.min(high, value));
const roundUp = (value: number, step: number) => Math.ceil(value / step) * step;

/** Texts whose tokens are counted. */
const COUNTED = 5000;

/** The vocabulary that fits texts, and a tokenizer with it. */
function fitVocabulary(texts: readonly string[], most: number, given: TextFlags) {
  const words = texts.reduce((sum, text) => sum + text.split(/\s+/).length, 0);
  const fitting = clamp(roundUp(256 + words / 10, 100), 300, Math.max(300, most));
  const { vocabSize = fitting, splitDigits = false } = given;
  const every = Math.ceil(texts.length / COUNTED);
  const counted = texts.filter((_, i) => i % every === 0);
  const { tokenizer, config } = trainBpe(counted, { vocabSize, splitDigits });
  const reader = new TextTokenizer(tokenizer, config);
  return {
    vocabSize,
    lengthOf: (text: string) => reader.encode(text, { splitSpecialTokens: true }).length,
    counted,
    reason: `${vocabSize}; there are ${words.toLocaleString("en")} words`,
  };
}

const latentsFor = (maxTokens: number) =>
  clamp(Math.ceil(maxTokens / 4), Math.min(8, maxTokens), maxTokens);

/** The number at a share of sorted numbers. */
function quantile(numbers: readonly number[], share: number): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
}

/**
 * The settings that fit a file: lengths, vocabulary, held-out part and condition. What a model that is not
 * trained from scratch fixes is left out.
 *
 * @param defaults Those of the preset, which are not exceeded, and of the data set.
 */
export function fitOwnData(
  { own }: OwnData,
  defaults: TextSettings,
  given: TextFlags,
): FittingSettings {
  return "problems" in own
    ? fitProblems(own.problems, defaults, given)
    : fitTexts(own, defaults, given);
}

/** Whether flags or the preset name a model whose vocabulary and lengths are fixed. */
function hasFixedModel(
  { startFrom, vae, encoderFrom, decoderFrom }: TextFlags,
  preset: TextConfig,
) {
  return [startFrom, vae, encoderFrom, decoderFrom, preset.encoderFrom, preset.decoderFrom]
    .some((name) => name !== undefined && name !== "none");
}

function heldOutSize(different: number, most: number) {
  const validationSize = clamp(Math.floor(different / 10), 1, most);
  return { validationSize, reason: `${validationSize}; as many again are held out to test with` };
}

/** The reasons of settings that were not given. */
function reasonsOf(given: TextFlags, reasons: Partial<Record<keyof TextFlags, string>>): string[] {
  return Object.entries(reasons)
    .filter(([flag]) => given[flag as keyof TextFlags] === undefined)
    .map(([flag, reason]) => `--${kebabCase(flag)}: ${reason}`);
}

function fitTexts(
  { texts, labels }: OwnTexts,
  { autoencoder }: TextSettings,
  given: TextFlags,
): FittingSettings {
  const unique = [...new Set(texts.map(({ text }) => text))];
  const heldOut = heldOutSize(unique.length, autoencoder.validationSize);
  const { condition = labels === undefined ? "none" : "label" } = given;
  const common: SomeSettings = {
    denoiser: { condition },
    sampling: condition === "none" ? { guidance: 1 } : {},
  };
  const reasons = {
    condition: labels === undefined
      ? "none; there are no labels"
      : `label; one of ${labels.length}: ${labels.slice(0, 5).join(", ")}${
        labels.length > 5 ? ", ..." : ""
      }`,
    validationSize: heldOut.reason,
  };
  const { validationSize } = heldOut;
  if (hasFixedModel(given, autoencoder)) {
    return {
      settings: { ...common, autoencoder: { validationSize } },
      reasons: reasonsOf(given, reasons),
    };
  }
  const { vocabSize, lengthOf, counted, reason } = fitVocabulary(
    unique,
    autoencoder.vocabSize,
    given,
  );
  const usual = quantile(counted.map(lengthOf), 0.95);
  const { maxTokens = clamp(roundUp(usual, 8), 8, autoencoder.maxTokens) } = given;
  const latents = latentsFor(maxTokens);
  return {
    settings: { ...common, autoencoder: { validationSize, vocabSize, maxTokens, latents } },
    reasons: reasonsOf(given, {
      ...reasons,
      vocabSize: reason,
      maxTokens:
        `${maxTokens}; 95 % of the texts have at most ${usual} tokens, and longer ones are cut`,
      latents: `${latents}; one for every four tokens, and at least 8`,
    }),
  };
}

/** A thought of more tokens is cut. */
const MOST_THOUGHT_TOKENS = 128;
/** Longer questions are an error. */
const MOST_QUESTION_TOKENS = 1022;

function fitProblems(
  problems: readonly ThoughtProblem[],
  { autoencoder, denoiser, sampling }: TextSettings,
  given: TextFlags,
): FittingSettings {
  const unique = new Set(problems.map(({ question }) => question)).size;
  const heldOut = heldOutSize(unique, autoencoder.validationSize);
  const { validationSize } = heldOut;
  const targets = problems.map(thoughtTargets);
  const longest = targets.reduce((most, { length }) => Math.max(most, length), 1);
  const maxThoughts = Math.min(longest, denoiser.maxThoughts);
  const samples = Math.min(sampling.samples, validationSize);
  const common = { denoiser: { maxThoughts }, sampling: { samples } };
  const reasons = {
    validationSize: heldOut.reason,
    maxThoughts: `${maxThoughts}; the most that a problem has is ${longest}`,
  };
  if (hasFixedModel(given, autoencoder)) {
    return {
      settings: { ...common, autoencoder: { validationSize } },
      reasons: reasonsOf(given, reasons),
    };
  }
  const splitDigits = given.splitDigits ?? areNumbers(problems.map(({ answer }) => answer));
  const texts = problems.flatMap(({ question }, i) => [question, ...targets[i]!]);
  const { vocabSize, lengthOf, reason } = fitVocabulary(
    [...new Set(texts)],
    autoencoder.vocabSize,
    { ...given, splitDigits },
  );
  const lengths = targets.flat().map(lengthOf);
  const most = lengths.reduce((a, b) => Math.max(a, b), 1);
  const { maxTokens = clamp(roundUp(most, 8), 8, MOST_THOUGHT_TOKENS) } = given;
  const latents = latentsFor(maxTokens);
  // In multiple passes, the thoughts before the last two are part of the condition.
  const sources = problems.map(({ question }, i) =>
    lengthOf([question, ...targets[i]!.slice(0, -2)].join(" "))
  );
  const source = sources.reduce((a, b) => Math.max(a, b), 1);
  const conditionTokens = clamp(roundUp(source + 2, 16), 32, MOST_QUESTION_TOKENS) - 2;
  return {
    settings: {
      ...common,
      autoencoder: { validationSize, vocabSize, splitDigits, maxTokens, latents },
      denoiser: { maxThoughts, conditionTokens },
    },
    reasons: reasonsOf(given, {
      ...reasons,
      vocabSize: reason,
      splitDigits: splitDigits ? "on; all answers are numbers" : "off; answers are texts",
      maxTokens: `${maxTokens}; the longest thought has ${most} tokens`,
      latents: `${latents}; one for every four tokens, and at least 8`,
      conditionTokens:
        `${conditionTokens}; the longest question with thoughts has ${source} tokens`,
    }),
  };
}
