/**
 * What byte-level BPE does to a text before it merges: GPT-2's split into words (Radford et al. 2019)
 * and its spelling of bytes as printable characters. The same rules go into a tokenizer.json.
 */
import type { JsonObject } from "../../base/json.ts";

/**
 * GPT-2's words: contractions, letters, numbers, other signs, each with a space before it, and white
 * space. White space is named as Unicode names it, on which all readers of the file agree: `\s` counts
 * U+FEFF in JavaScript and U+0085 elsewhere.
 */
const WORDS =
  String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+` +
  String.raw`|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+`;

/** One digit, or any other character that Unicode counts as a number. */
const DIGIT = String.raw`\p{N}`;

/**
 * The character that stands for each byte, [256]: itself where it is printable, else one from U+0100
 * on, in the order of the bytes (GPT-2's `bytes_to_unicode`).
 */
export const BYTE_SYMBOLS: readonly string[] = (() => {
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
    return String.fromCharCode(printable ? byte : next++);
  });
})();

/**
 * The pre_tokenizer of a tokenizer.json, which does what {@linkcode pretokens} does.
 *
 * @param splitDigits Whether every digit is a word of its own.
 */
export function preTokenizerJson(splitDigits: boolean): JsonObject {
  const split = (Regex: string) => ({
    type: "Split",
    pattern: { Regex },
    behavior: "Isolated",
    invert: false,
  });
  return {
    type: "Sequence",
    pretokenizers: [
      ...(splitDigits ? [split(DIGIT)] : []),
      split(WORDS),
      { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false },
    ],
  };
}

const words = new RegExp(WORDS, "gu");
const digits = new RegExp(`${DIGIT}|\\P{N}+`, "gu");

/**
 * Splits a text into the words that merges stay within.
 *
 * @param text Any text; joined, the words are the text again.
 * @param splitDigits Whether every digit is a word of its own, so that no token holds two, nor a space
 * and a digit.
 */
export function pretokens(text: string, splitDigits: boolean): string[] {
  const parts = splitDigits ? text.match(digits) ?? [] : [text];
  return parts.flatMap((part) => part.match(words) ?? []);
}

const encoder = new TextEncoder();

/** The bytes of a word in UTF-8. */
export function wordBytes(word: string): Uint8Array {
  return encoder.encode(word);
}
