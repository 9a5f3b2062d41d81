/** Encodes texts into token ids for both halves of the VAE, and cuts texts that are too long. */
import { UserError } from "../../base/errors.ts";
import type { TextTokenizer } from "./tokenizer.ts";

export interface TextExample {
  /** The encoder's ids: [CLS], the text, [SEP]. */
  readonly encoder: Int32Array;
  /** The decoder's ids: the text alone. */
  readonly decoder: Int32Array;
}

export interface EncodedTexts {
  readonly examples: readonly TextExample[];
  /** The index of each example's text among all texts. */
  readonly rows: readonly number[];
  readonly truncated: number;
  readonly empty: number;
}

export interface EncodeTextsOptions {
  readonly encoder: TextTokenizer;
  readonly decoder: TextTokenizer;
  /** The greatest number of the decoder's tokens of a text, without special ones. */
  readonly maxTokens: number;
  /**
   * The greatest number of the encoder's tokens of a text. If the tokenizers differ, the text of
   * `maxTokens` decoder tokens may have more encoder tokens. @default maxTokens
   */
  readonly encoderTokens?: number | undefined;
  /** Whether the text beyond the limit becomes further examples instead of being cut off. @default false */
  readonly windows?: boolean | undefined;
}

/** A last window of fewer tokens is dropped. */
const LEAST_WINDOW = 5;

/** The most tokens that hold a part of a character: one for each of its four bytes, except the last. */
const PARTIAL_TOKENS = 3;

/** A text's tokens in windows of at most `limit` tokens that do not end within a character. */
function windowsOf(ids: Int32Array, tokenizer: TextTokenizer, limit: number): Int32Array[] {
  const parts: Int32Array[] = [];
  for (let start = 0; start < ids.length; start += parts.at(-1)!.length) {
    if (start > 0 && ids.length - start < LEAST_WINDOW) break;
    parts.push(cut(ids.subarray(start), tokenizer, limit));
  }
  return parts;
}

/**
 * Encodes texts. A text of more than `maxTokens` decoder tokens is cut there. If the tokenizers differ,
 * the encoder receives the text that is left, so that it never reads text that the decoder does not
 * reconstruct. A special token's name within a text is ordinary text.
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
  texts.forEach((text, row) => {
    const whole = text.trim() === "" ? new Int32Array(0) : decoder.encode(text, split);
    const parts = windows ? windowsOf(whole, decoder, maxTokens) : [cut(whole, decoder, maxTokens)];
    const pairs = parts.map((target) => {
      if (encoder === decoder) return { target, source: target };
      const kept = target.length < whole.length ? decoder.decode(target) : text;
      return { target, source: encoder.encode(kept, split) };
    }).filter(({ target, source }) => target.length > 0 && source.length > 0);
    if (pairs.length === 0) empty++;
    const isCut = !windows && parts[0]!.length < whole.length;
    if (isCut || pairs.some(({ source }) => source.length > encoderTokens)) truncated++;
    for (const { target, source } of pairs) {
      const kept = source.subarray(0, encoderTokens);
      examples.push({ encoder: Int32Array.of(cls, ...kept, sep), decoder: target });
      rows.push(row);
    }
  });
  if (examples.length === 0) {
    throw new UserError(
      `all ${texts.length} texts are empty: check that the data set's column of texts is filled`,
    );
  }
  return { examples, rows, truncated, empty };
}

/** The first `limit` tokens, or fewer so that they do not end within a character. */
function cut(ids: Int32Array, tokenizer: TextTokenizer, limit: number): Int32Array {
  if (ids.length <= limit) return ids;
  for (let length = limit; length > Math.max(0, limit - PARTIAL_TOKENS - 1); length--) {
    const kept = ids.slice(0, length);
    if (!tokenizer.decode(kept.subarray(-PARTIAL_TOKENS - 1)).endsWith("\ufffd")) return kept;
  }
  return ids.slice(0, limit);
}

/** A note of one or two sentences about texts that were cut or left out. */
export function encodingNote(
  { rows, truncated, empty }: EncodedTexts,
  maxTokens: number,
): string | undefined {
  const total = new Set(rows).size + empty;
  const notes: string[] = [];
  if (truncated > 0) {
    notes.push(`${truncated} of ${total} texts are longer than ${maxTokens} tokens and were cut.`);
  }
  if (empty > 0) notes.push(`${empty} of ${total} texts are empty and were left out.`);
  return notes.length === 0 ? undefined : notes.join(" ");
}
