/** What a text VAE's training begins with: tokens and weights. */
import { type HostParameters, initParameters } from "../nn/parameters.ts";
import type { RandomStream } from "../nn/random.ts";
import { alignedStart } from "../vae/aligned_start.ts";
import { trainBpe } from "../vae/bpe_trainer.ts";
import { textVaeSpecs } from "../vae/text_vae.ts";
import type { TextVaeConfig } from "../vae/text_vae_config.ts";
import { TextTokenizer } from "../vae/tokenizer.ts";
import { encodeTexts, encodingNote, type TextExample } from "../vae/tokenizer_texts.ts";
import type { TextData } from "./text_data.ts";
import type { TextConfig } from "./text_flags.ts";

/** Texts as tokens. */
export interface PreparedTexts {
  /** The tokenizer. */
  readonly tokenizer: TextTokenizer;
  /** What is trained on. */
  readonly train: readonly TextExample[];
  /** What is held out, each text once. */
  readonly validation: readonly TextExample[];
}

/**
 * Turns texts into tokens, and says how many were cut.
 *
 * @param tokenizer The one to use; trained on the texts by default.
 */
export function prepareTexts(
  { train, validation, conditions = [] }:
    & Pick<TextData, "train" | "validation">
    & Partial<Pick<TextData, "conditions">>,
  { vocabSize, splitDigits, maxTokens, windows }: TextConfig,
  tokenizer: TextTokenizer = learnTokens([...train, ...conditions], {
    vocabSize,
    splitDigits,
  }),
  log: (line: string) => void = console.log,
): PreparedTexts {
  const encode = (name: string, texts: readonly string[], windows: boolean) => {
    const encoded = encodeTexts(texts, {
      ...{ encoder: tokenizer, decoder: tokenizer, maxTokens, windows },
    });
    const note = encodingNote(encoded, maxTokens);
    if (note !== undefined) log(`${name}: ${note}`);
    return encoded.examples;
  };
  return {
    tokenizer,
    train: encode("training", train, windows),
    validation: encode("held out", validation, false),
  };
}

function learnTokens(
  texts: readonly string[],
  options: { readonly vocabSize: number; readonly splitDigits: boolean },
): TextTokenizer {
  const { tokenizer, config } = trainBpe(texts, options);
  return new TextTokenizer(tokenizer, config);
}

/** Weights before the first step. */
export function initTextVae(
  model: TextVaeConfig,
  { initialization }: TextConfig,
  random: RandomStream,
): HostParameters {
  const parameters = initParameters(textVaeSpecs(model), random);
  return initialization === "random" ? parameters : alignedStart(parameters, model);
}
