/** What a text VAE's training begins with: tokens and weights. */
import { UserError } from "../../base/errors.ts";
import { type HostParameters, initParameters } from "../../nn/parameters.ts";
import type { RandomStream } from "../../nn/random.ts";
import { alignedStart } from "../../vae/aligned_start.ts";
import { trainBpe } from "../../vae/tokenizer/bpe.ts";
import { textVaeSpecs } from "../../vae/text_vae.ts";
import type { TextVaeConfig } from "../../vae/text_vae_config.ts";
import { TextTokenizer } from "../../vae/tokenizer/tokenizer.ts";
import { encodeTexts, encodingNote, type TextExample } from "../../vae/tokenizer/texts.ts";
import type { TextData } from "../data.ts";
import type { TextConfig } from "../flags.ts";
import type { PublishedHalves } from "./published.ts";

/** Texts as tokens. */
export interface PreparedTexts {
  /** The decoder's tokenizer, in whose tokens texts are said. */
  readonly tokenizer: TextTokenizer;
  /** The encoder's: the same one, or another. */
  readonly encoderTokenizer: TextTokenizer;
  /** What is trained on. */
  readonly train: readonly TextExample[];
  /** What is held out, each text once. */
  readonly validation: readonly TextExample[];
}

/** Tokenizers that are there already. */
interface KnownTokenizers extends Partial<Pick<PreparedTexts, "tokenizer" | "encoderTokenizer">> {
  /** Tokens that the encoder may be shown, special ones not counted; maxTokens if not given. */
  readonly encoderTokens?: number;
}

/**
 * Turns texts into tokens, and says how many were cut.
 *
 * @param known The tokenizers to use; what is missing is learned from the texts.
 * @throws {UserError} If a step of a multiplication is longer than `maxTokens`: cut, its answer would
 * be wrong whatever is learned.
 */
export function prepareTexts(
  { train, validation, conditions = [] }:
    & Pick<TextData, "train" | "validation">
    & Partial<Pick<TextData, "conditions">>,
  { dataset, vocabSize, splitDigits, maxTokens, windows }: TextConfig,
  known: KnownTokenizers = {},
  log: (line: string) => void = console.log,
): PreparedTexts {
  const learn = () => learnTokens([...train, ...conditions], { vocabSize, splitDigits });
  const tokenizer = known.tokenizer ?? learn();
  const encoderTokenizer = known.encoderTokenizer ??
    (known.tokenizer === undefined ? tokenizer : learn());
  const encode = (name: string, texts: readonly string[], windows: boolean) => {
    const encoded = encodeTexts(texts, {
      ...{ encoder: encoderTokenizer, decoder: tokenizer, maxTokens, windows },
      ...(known.encoderTokens === undefined ? {} : { encoderTokens: known.encoderTokens }),
    });
    if (dataset === "multiplication" && encoded.truncated > 0) {
      const advice = splitDigits
        ? ", or leave out --split-digits: with it, spaces are tokens, too"
        : "";
      throw new UserError(
        `${encoded.truncated} of ${texts.length} steps are longer than --max-tokens, ${maxTokens}, and ` +
          `would be cut, answers among them: give more${advice}`,
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

function learnTokens(
  texts: readonly string[],
  options: { readonly vocabSize: number; readonly splitDigits: boolean },
): TextTokenizer {
  const { tokenizer, config } = trainBpe(texts, options);
  return new TextTokenizer(tokenizer, config);
}

/** Weights before the first step: those of published halves, and random ones. */
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
  // A hundred million random numbers take as long as several steps.
  const fresh = Object.entries(specs).filter(([name]) => published[name] === undefined);
  return { ...initParameters(Object.fromEntries(fresh), random), ...published };
}
