/** Texts as token ids for both halves of the VAE, cut where they are too long. */
import { UserError } from "../../base/errors.ts";
import type { TextTokenizer } from "./tokenizer.ts";

/** One text for training. */
export interface TextExample {
  /** The encoder's ids: [CLS], the text, [SEP]. */
  readonly encoder: Int32Array;
  /** The decoder's ids: the text alone. */
  readonly decoder: Int32Array;
}

/** What {@linkcode encodeTexts} gives. */
export interface EncodedTexts {
  /** The texts that are not empty, in order. */
  readonly examples: readonly TextExample[];
  /** The index of each example's text in the list of all texts. */
  readonly rows: readonly number[];
  /** How many texts were cut. */
  readonly truncated: number;
  /** How many texts were empty and left out. */
  readonly empty: number;
}

/** Options of {@linkcode encodeTexts}. */
export interface EncodeTextsOptions {
  /** The encoder's tokenizer, with [CLS] and [SEP]. */
  readonly encoder: TextTokenizer;
  /** The decoder's tokenizer; may be the same. */
  readonly decoder: TextTokenizer;
  /** Tokens to keep of a text at most, special ones not counted. */
  readonly maxTokens: number;
  /**
   * Tokens that the encoder is shown of a text at most, where its tokenizer is another: what `maxTokens`
   * of the decoder say may take more of the encoder's. @default maxTokens
   */
  readonly encoderTokens?: number;
  /** Whether what is beyond the limit becomes examples of its own, rather than being cut off. @default false */
  readonly windows?: boolean;
}

/** What is left of a text at the end is no example of its own if it is shorter. */
const LEAST_WINDOW = 5;

/** Tokens that one character takes at most: those of its four bytes in UTF-8, but for the last. */
const PARTIAL_TOKENS = 3;

/** A text's tokens in stretches of at most `limit`, none of which ends within a character. */
function stretches(ids: Int32Array, tokenizer: TextTokenizer, limit: number): Int32Array[] {
  const parts: Int32Array[] = [];
  for (let start = 0; start < ids.length; start += parts.at(-1)!.length) {
    if (start > 0 && ids.length - start < LEAST_WINDOW) break;
    parts.push(cut(ids.subarray(start), tokenizer, limit));
  }
  return parts;
}

/**
 * Encodes texts. A text of more than `maxTokens` decoder tokens is cut there, and where the tokenizers
 * differ the encoder is shown what is left, so that it never reads what the decoder need not say.
 * Special tokens' names within a text are text.
 *
 * @param texts The texts.
 * @param options The tokenizers and the limit.
 * @throws {UserError} If every text is empty, or [CLS] or [SEP] is missing.
 * @throws {RangeError} If the limit is not a whole number from 1.
 */
export function encodeTexts(
  texts: readonly string[],
  { encoder, decoder, maxTokens, encoderTokens = maxTokens, windows = false }: EncodeTextsOptions,
): EncodedTexts {
  if (!Number.isInteger(maxTokens) || maxTokens < 1) {
    throw new RangeError(`maxTokens must be a whole number from 1, not ${maxTokens}`);
  }
  const [cls, sep] = [encoder.id("cls"), encoder.id("sep")];
  const split = { splitSpecialTokens: true };
  const examples: TextExample[] = [];
  const rows: number[] = [];
  let truncated = 0;
  let empty = 0;
  const add = (row: number, kept: Int32Array, shown: Int32Array) => {
    const read = shown.subarray(0, encoderTokens);
    examples.push({ encoder: Int32Array.of(cls, ...read, sep), decoder: kept });
    rows.push(row);
  };
  texts.forEach((text, row) => {
    const whole = text.trim() === "" ? new Int32Array(0) : decoder.encode(text, split);
    const parts = windows ? stretches(whole, decoder, maxTokens) : [cut(whole, decoder, maxTokens)];
    const pairs = parts.map((kept) => {
      if (encoder === decoder) return { kept, shown: kept };
      const said = kept.length < whole.length ? decoder.decode(kept) : text;
      return { kept, shown: encoder.encode(said, split) };
    }).filter(({ kept, shown }) => kept.length > 0 && shown.length > 0);
    if (pairs.length === 0) empty++;
    const isCut = !windows && parts[0]!.length < whole.length;
    if (isCut || pairs.some(({ shown }) => shown.length > encoderTokens)) truncated++;
    pairs.forEach(({ kept, shown }) => add(row, kept, shown));
  });
  if (examples.length === 0) {
    throw new UserError(
      `all ${texts.length} texts are empty: check that the data set's column of texts is filled`,
    );
  }
  return { examples, rows, truncated, empty };
}

/** The first tokens, at most `limit` and without part of a character at the end. */
function cut(ids: Int32Array, tokenizer: TextTokenizer, limit: number): Int32Array {
  if (ids.length <= limit) return ids;
  for (let length = limit; length > Math.max(0, limit - PARTIAL_TOKENS - 1); length--) {
    const kept = ids.slice(0, length);
    if (!tokenizer.decode(kept.subarray(-PARTIAL_TOKENS - 1)).endsWith("\ufffd")) return kept;
  }
  return ids.slice(0, limit);
}

/**
 * What a person should know of texts that were cut or left out.
 *
 * @returns One sentence or two; undefined where every text is whole.
 */
export function encodingNote(
  { rows, truncated, empty }: EncodedTexts,
  maxTokens: number,
): string | undefined {
  const total = new Set(rows).size + empty;
  const notes = [
    ...(truncated > 0
      ? [`${truncated} of ${total} texts are longer than ${maxTokens} tokens and were cut.`]
      : []),
    ...(empty > 0 ? [`${empty} of ${total} texts are empty and were left out.`] : []),
  ];
  return notes.length === 0 ? undefined : notes.join(" ");
}
