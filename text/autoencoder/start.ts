/** What the training of a text VAE starts with: tokens and weights. */
import { UserError } from "../../base/errors.ts";
import { type HostParameters, initParameters } from "../../nn/parameters.ts";
import type { RandomStream } from "../../nn/random.ts";
import { alignedStart } from "../../vae/aligned_start.ts";
import { trainBpe } from "../../vae/tokenizer/bpe.ts";
import { textVaeSpecs } from "../../vae/text_vae.ts";
import type { TextVaeConfig } from "../../vae/text_vae_config.ts";
import { TextTokenizer } from "../../vae/tokenizer/tokenizer.ts";
import { encodeTexts, encodingNote, type TextExample } from "../../vae/tokenizer/texts.ts";
import type { TextData } from "../examples.ts";
import type { TextConfig } from "../settings.ts";
import type { PublishedHalves } from "./published.ts";

export interface PreparedTexts {
  readonly tokenizer: TextTokenizer;
  readonly encoderTokenizer: TextTokenizer; // encoder's tokenizer, which may be the decoder's
  readonly train: readonly TextExample[];
  readonly validation: readonly TextExample[]; // held-out texts, each cut to one example
}

/** Turns texts into tokens, of a tokenizer that is trained on them where none is known. */
export function prepareTexts(
  { train, validation, conditions = [] }:
    & Pick<TextData, "train" | "validation">
    & Partial<Pick<TextData, "conditions">>,
  { dataset, vocabSize, splitDigits, maxTokens, windows }: TextConfig,
  known: {
    readonly tokenizer?: TextTokenizer | undefined;
    readonly encoderTokenizer?: TextTokenizer | undefined;
    readonly encoderTokens?: number | undefined; // most tokens for the encoder, without special ones
  } = {},
  log: (line: string) => void = () => {},
): PreparedTexts {
  const learn = () => {
    const learned = trainBpe([...train, ...conditions], { vocabSize, splitDigits });
    return new TextTokenizer(learned.tokenizer, learned.config);
  };
  const tokenizer = known.tokenizer ?? learn();
  const encoderTokenizer = known.encoderTokenizer ??
    (known.tokenizer === undefined ? tokenizer : learn());
  const encode = (name: string, texts: readonly string[], windows: boolean) => {
    const encoded = encodeTexts(texts, {
      encoder: encoderTokenizer,
      decoder: tokenizer,
      maxTokens,
      windows,
      encoderTokens: known.encoderTokens,
    });
    if (dataset === "multiplication" && encoded.truncated > 0) {
      const advice = splitDigits
        ? ", or leave out --split-digits, which also makes spaces tokens"
        : "";
      throw new UserError(
        `${encoded.truncated} of ${texts.length} steps are longer than --max-tokens ${maxTokens}, and ` +
          `would be cut with their answers: raise it${advice}`,
      );
    }
    const note = encodingNote(encoded, maxTokens);
    if (note !== undefined) log(`${name}: ${note}`);
    return encoded.examples;
  };
  return {
    tokenizer,
    encoderTokenizer,
    train: encode("training", train, windows),
    validation: encode("held out", validation, false),
  };
}

/** The initial weights: those of published halves, and random ones. */
export async function initTextVae(
  model: TextVaeConfig,
  { initialization }: TextConfig,
  random: RandomStream,
  { encoder, decoder }: PublishedHalves = {},
): Promise<HostParameters> {
  const published = { ...await encoder?.parameters(), ...await decoder?.parameters() };
  const specs = textVaeSpecs(model);
  if (initialization === "aligned") {
    return { ...alignedStart(initParameters(specs, random), model), ...published };
  }
  // Published weights need no random numbers: a hundred million take as long as several steps.
  const fresh = Object.entries(specs).filter(([name]) => published[name] === undefined);
  return { ...initParameters(Object.fromEntries(fresh), random), ...published };
}
