/**
 * Trains a byte-level BPE tokenizer (Sennrich et al. 2016; Radford et al. 2019) and writes it as
 * transformers' files, tokenizer.json and tokenizer_config.json. The same texts give the same files.
 */
import { UserError } from "../../base/errors.ts";
import type { JsonObject } from "../../base/json.ts";
import {
  addedToken,
  type SpecialTokens,
  specialTokensConfig,
  templateProcessor,
} from "./special.ts";

/** Options of {@linkcode trainBpe}. */
export interface BpeOptions {
  /** Tokens to have in the end, the special ones and the 256 bytes included. */
  readonly vocabSize: number;
  /** Pairs that occur less often are not merged. @default 2 */
  readonly minFrequency?: number;
  /** Whether every digit is a token of its own, so that numbers can be computed with. @default false */
  readonly splitDigits?: boolean;
  /** The special tokens by role. @default {@linkcode BPE_SPECIAL_TOKENS} */
  readonly specialTokens?: SpecialTokens;
  /** More special tokens, without a role. @default none */
  readonly extraSpecialTokens?: readonly string[];
}

/** The special tokens of both halves of a VAE: BERT's, and GPT-2's one. */
export const BPE_SPECIAL_TOKENS: SpecialTokens = {
  pad: "[PAD]",
  cls: "[CLS]",
  sep: "[SEP]",
  mask: "[MASK]",
  bos: "<|endoftext|>",
  eos: "<|endoftext|>",
};

/** A tokenizer as transformers stores it. */
export interface TokenizerFiles {
  /** The content of tokenizer.json. */
  readonly tokenizer: JsonObject;
  /** The content of tokenizer_config.json. */
  readonly config: JsonObject;
}

/**
 * Learns a vocabulary from texts. Ids are, in order: the special tokens (so that padding is 0), the 256
 * bytes by their symbols' code points, and the merged tokens, most frequent first. At equal frequency
 * the pair with the lower left id is merged first, then that with the lower right id.
 *
 * @param texts The corpus; read once.
 * @param options How large, and which special tokens.
 * @returns The files; the vocabulary is smaller than asked for where the corpus holds no more pairs of
 * the frequency asked for.
 * @throws {UserError} If the corpus is empty.
 * @throws {RangeError} If the vocabulary has no room for the bytes, or a special token is empty.
 */
export function trainBpe(texts: Iterable<string>, options: BpeOptions): TokenizerFiles {
  const { vocabSize, minFrequency = 2, splitDigits = false, extraSpecialTokens = [] } = options;
  const roles = options.specialTokens ?? BPE_SPECIAL_TOKENS;
  const named = Object.values(roles).filter((token) => token !== undefined);
  const special = [...new Set([...named, ...extraSpecialTokens])];
  const least = special.length + BYTE_SYMBOLS.length;
  if (!Number.isInteger(vocabSize) || vocabSize < least || vocabSize > ID_LIMIT) {
    throw new RangeError(
      `vocabSize must be a whole number of at least ${least} (the bytes and ${special.length} ` +
        `special tokens), not ${vocabSize}`,
    );
  }
  if (!(minFrequency >= 1)) throw new RangeError(`minFrequency must be >= 1, not ${minFrequency}`);
  const clash = special.find((token) => token === "" || BYTE_SYMBOLS.includes(token));
  if (clash !== undefined) throw new RangeError(`"${clash}" cannot be a special token`);

  const tokens = [...special, ...BYTE_SYMBOLS.toSorted()];
  const symbolIds = new Map(tokens.map((token, id) => [token, id]));
  const byteIds = BYTE_SYMBOLS.map((symbol) => symbolIds.get(symbol)!);
  const words = Array.from(
    countWords(texts, splitDigits),
    ([word, count]) => ({ ids: Array.from(wordBytes(word), (byte) => byteIds[byte]!), count }),
  );
  if (words.length === 0) {
    throw new UserError("no text to train a tokenizer on: check that the data set holds texts");
  }
  const merges = learnMerges(words, { tokens, vocabSize, minFrequency })
    .map(([left, right]) => [tokens[left]!, tokens[right]!]);
  return files({ tokens, merges, special, roles, splitDigits });
}

function countWords(texts: Iterable<string>, splitDigits: boolean): Map<string, number> {
  const counts = new Map<string, number>();
  for (const text of texts) {
    for (const word of pretokens(text, splitDigits)) counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  return counts;
}

/** Puts the files together. */
function files({ tokens, merges, special, roles, splitDigits }: {
  readonly tokens: readonly string[];
  readonly merges: readonly (readonly string[])[];
  readonly special: readonly string[];
  readonly roles: SpecialTokens;
  readonly splitDigits: boolean;
}): TokenizerFiles {
  const vocab = Object.fromEntries(tokens.map((token, id) => [token, id]));
  return {
    tokenizer: bytePairTokenizerJson({
      ...{ vocab, merges, splitDigits },
      addedTokens: special.map((token, id) => addedToken(token, id)),
      postProcessor: templateProcessor(roles, (token) => vocab[token]),
    }),
    config: {
      // Not GPT2Tokenizer: transformers would rebuild that one's rules instead of reading these.
      tokenizer_class: "PreTrainedTokenizerFast",
      ...specialTokensConfig(roles),
      clean_up_tokenization_spaces: false,
    },
  };
}

/** What one such tokenizer has that another has not. */
export interface BytePairParts {
  /** Ids by token. */
  readonly vocab: JsonObject;
  /** Pairs of tokens that are joined, the first first. */
  readonly merges: readonly (readonly string[])[];
  /** Entries of added_tokens. */
  readonly addedTokens: readonly JsonObject[];
  /** What is put around a text; see templateProcessor. */
  readonly postProcessor: JsonObject;
  /** Whether every digit is a token of its own. @default {false} */
  readonly splitDigits?: boolean;
}

/** Puts tokenizer.json together, with every key that the tokenizers library writes. */
export function bytePairTokenizerJson(
  { vocab, merges, addedTokens, postProcessor, splitDigits = false }: BytePairParts,
): JsonObject {
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: [...addedTokens],
    normalizer: null,
    pre_tokenizer: preTokenizerJson(splitDigits),
    post_processor: postProcessor,
    decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab,
      merges: merges.map((pair) => [...pair]),
    },
  };
}

/** A pair of tokens and how often it was counted when it was pushed. */
export interface CountedPair {
  /** The pair as one number: see {@linkcode pairKey}. */
  readonly pair: number;
  /** Its count at that time. */
  readonly count: number;
}

/** Ids are below this, so that a pair of them is one safe integer. */
export const ID_LIMIT: number = 2 ** 25;

/** A pair of ids as one number; numbers compare as the pairs do, left id first. */
export function pairKey(left: number, right: number): number {
  return left * ID_LIMIT + right;
}

/** The ids of a pair: what {@linkcode pairKey} made one number of. */
export function pairIds(pair: number): [left: number, right: number] {
  return [Math.floor(pair / ID_LIMIT), pair % ID_LIMIT];
}

/** Higher counts first; at equal counts the lower pair. So the order never depends on the insertion's. */
function before(a: CountedPair, b: CountedPair): boolean {
  return a.count === b.count ? a.pair < b.pair : a.count > b.count;
}

/** A binary heap. */
export class PairQueue {
  readonly #heap: CountedPair[] = [];

  /** Adds an entry. */
  push(entry: CountedPair): void {
    const heap = this.#heap;
    let i = heap.push(entry) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!before(entry, heap[parent]!)) break;
      heap[i] = heap[parent]!;
      i = parent;
    }
    heap[i] = entry;
  }

  /** Takes the first entry out; undefined where there is none. */
  pop(): CountedPair | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
      if (!before(heap[child]!, last)) break;
      heap[i] = heap[child]!;
      i = child;
    }
    heap[i] = last;
    return first;
  }
}

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

/** A word as token ids, and how often it occurs. */
export interface CountedWord {
  /** Its tokens, merged as learning goes on. */
  ids: number[];
  /** Occurrences in the corpus. */
  readonly count: number;
}

/** What {@linkcode learnMerges} is told. */
export interface MergeOptions {
  /** The tokens so far: id to text. New ones are appended. */
  readonly tokens: string[];
  /** Stop at so many tokens. */
  readonly vocabSize: number;
  /** Stop where no pair occurs so often. */
  readonly minFrequency: number;
}

/** Replaces every pair (left, right) by `merged`, from the left. */
function mergeWord(ids: readonly number[], left: number, right: number, merged: number): number[] {
  const result: number[] = [];
  for (let i = 0; i < ids.length; i++) {
    const match = ids[i] === left && ids[i + 1] === right;
    result.push(match ? merged : ids[i]!);
    if (match) i++;
  }
  return result;
}

/** The counts of neighbouring tokens, and the words where each pair may occur. */
class PairCounts {
  readonly counts = new Map<number, number>();
  readonly #places = new Map<number, number[]>();

  /** Counts a word's pairs in (`sign` 1) or out (-1). @returns The pairs. */
  count({ ids, count }: CountedWord, sign: 1 | -1): number[] {
    const pairs: number[] = [];
    for (let i = 0; i + 1 < ids.length; i++) {
      const pair = pairKey(ids[i]!, ids[i + 1]!);
      pairs.push(pair);
      const total = (this.counts.get(pair) ?? 0) + sign * count;
      if (total === 0) this.counts.delete(pair);
      else this.counts.set(pair, total);
    }
    return pairs;
  }

  /** Notes that a pair occurs in a word. */
  place(pair: number, word: number): void {
    const places = this.#places.get(pair);
    if (places === undefined) this.#places.set(pair, [word]);
    else if (places.at(-1) !== word) places.push(word);
  }

  /** The words where a pair may occur, each once, which are forgotten. */
  take(pair: number): Set<number> {
    const places = new Set(this.#places.get(pair));
    this.#places.delete(pair);
    return places;
  }
}

/**
 * Learns merges. Of pairs that occur equally often the one with the lower left id comes first, then the
 * one with the lower right id: the same words give the same merges, in whatever order they come.
 *
 * @param words The words; their ids are merged in place.
 * @param options `tokens` grows by the new tokens.
 * @returns The merges in order, as pairs of ids.
 */
export function learnMerges(
  words: readonly CountedWord[],
  { tokens, vocabSize, minFrequency }: MergeOptions,
): [number, number][] {
  const pairs = new PairCounts();
  words.forEach((word, i) => pairs.count(word, 1).forEach((pair) => pairs.place(pair, i)));
  const queue = new PairQueue();
  pairs.counts.forEach((count, pair) => queue.push({ pair, count }));
  const idOf = new Map(tokens.map((token, id) => [token, id]));
  const merges: [number, number][] = [];
  const learnt = new Set<number>();
  const least = Math.max(1, minFrequency);
  while (tokens.length < vocabSize) {
    const top = queue.pop();
    if (top === undefined) break;
    // Entries are not taken out when counts fall: a stale one goes back with the count of today.
    const count = pairs.counts.get(top.pair) ?? 0;
    if (count !== top.count) {
      if (count < top.count && count >= least) queue.push({ pair: top.pair, count });
      continue;
    }
    if (count < least) break;
    const [left, right] = pairIds(top.pair);
    const text = tokens[left]! + tokens[right]!;
    // Two ways to one text (a+bc, ab+c) are two merges to one token.
    const merged = idOf.get(text) ?? tokens.push(text) - 1;
    idOf.set(text, merged);
    if (!learnt.has(top.pair)) merges.push([left, right]);
    learnt.add(top.pair);
    const touched = new Set<number>();
    for (const index of pairs.take(top.pair)) {
      const word = words[index]!;
      const ids = mergeWord(word.ids, left, right, merged);
      if (ids.length === word.ids.length) continue;
      pairs.count(word, -1);
      word.ids = ids;
      for (const pair of pairs.count(word, 1)) {
        const [first, second] = pairIds(pair);
        if (first !== merged && second !== merged) continue;
        pairs.place(pair, index);
        touched.add(pair);
      }
    }
    // Only pairs with the merged token can have become more frequent.
    for (const pair of touched) {
      const risen = pairs.counts.get(pair);
      if (risen !== undefined) queue.push({ pair, count: risen });
    }
  }
  return merges;
}
