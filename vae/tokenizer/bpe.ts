/**
 * Trains a byte-level BPE tokenizer (Sennrich et al. 2016; Radford et al. 2019) and writes it as
 * transformers' files, tokenizer.json and tokenizer_config.json. The same texts give the same files.
 */
import TinyQueue from "tinyqueue";
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
  /** Size of the vocabulary, the special tokens and the 256 bytes included. */
  readonly vocabSize: number;
  /** Pairs that occur less often are not merged. @default 2 */
  readonly minFrequency?: number | undefined;
  /** Whether every digit is a token of its own, which helps arithmetic. @default false */
  readonly splitDigits?: boolean | undefined;
  /** The special tokens by role. @default {@linkcode BPE_SPECIAL_TOKENS} */
  readonly specialTokens?: SpecialTokens | undefined;
  /** More special tokens, without a role. @default none */
  readonly extraSpecialTokens?: readonly string[] | undefined;
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
 * Learns a vocabulary from texts, which are read once. Ids are assigned in this order: the special tokens
 * (so that padding is 0), the 256 bytes by their symbols' code points, and the merged tokens, most
 * frequent first. At equal frequency the pair with the lower left id is merged first, then the one with
 * the lower right id. The vocabulary is smaller than `vocabSize` if too few pairs occur `minFrequency`
 * times.
 *
 * @throws {UserError} If the corpus is empty.
 * @throws {RangeError} If `vocabSize` has no room for the bytes, or a special token is empty or a byte.
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
  const encoder = new TextEncoder();
  const words = Array.from(
    countWords(texts, splitDigits),
    ([word, count]) => ({ ids: Array.from(encoder.encode(word), (byte) => byteIds[byte]!), count }),
  );
  if (words.length === 0) {
    throw new UserError("no text to train a tokenizer on: check that the data set holds texts");
  }
  const merges = learnMerges(words, { tokens, vocabSize, minFrequency })
    .map(([left, right]) => [tokens[left]!, tokens[right]!]);

  const vocab = Object.fromEntries(tokens.map((token, id) => [token, id]));
  return {
    tokenizer: bytePairTokenizerJson({
      vocab,
      merges,
      splitDigits,
      addedTokens: special.map((token, id) => addedToken(token, id)),
      postProcessor: templateProcessor(roles, (token) => vocab[token]),
    }),
    config: {
      // Not GPT2Tokenizer: transformers would rebuild GPT-2's rules instead of reading these.
      tokenizer_class: "PreTrainedTokenizerFast",
      ...specialTokensConfig(roles),
      clean_up_tokenization_spaces: false,
    },
  };
}

// Words: merges never cross their boundaries.

/**
 * GPT-2's words: contractions, letters, numbers, other characters, each with a space before it, and
 * white space. White space is Unicode's White_Space, on which all readers of the file agree: `\s`
 * includes U+FEFF in JavaScript and U+0085 elsewhere.
 */
const WORD = String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+` +
  String.raw`|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+`;

/** One digit, or any other character that Unicode counts as a number. */
const DIGIT = String.raw`\p{N}`;

const WORDS = new RegExp(WORD, "gu");
const DIGITS = new RegExp(`${DIGIT}|\\P{N}+`, "gu");

/**
 * Splits a text into words; joined, they are the text again. With `splitDigits` every digit is a word,
 * so that no token holds two digits, or a space and a digit.
 */
function splitWords(text: string, splitDigits: boolean): string[] {
  const parts = splitDigits ? text.match(DIGITS) ?? [] : [text];
  return parts.flatMap((part) => part.match(WORDS) ?? []);
}

function countWords(texts: Iterable<string>, splitDigits: boolean): Map<string, number> {
  const counts = new Map<string, number>();
  for (const text of texts) {
    for (const word of splitWords(text, splitDigits)) counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  return counts;
}

// Merges.

interface CountedWord {
  ids: number[];
  readonly count: number;
}

/** Ids are below this, so that a pair of them is one safe integer. */
const ID_LIMIT = 2 ** 25;

/** A pair of ids as one number; the numbers are ordered as the pairs are, left id first. */
function pairKey(left: number, right: number): number {
  return left * ID_LIMIT + right;
}

function pairIds(pair: number): [left: number, right: number] {
  return [Math.floor(pair / ID_LIMIT), pair % ID_LIMIT];
}

/** Replaces every pair (left, right) by `merged`, from the left. */
function mergeWord(ids: readonly number[], left: number, right: number, merged: number): number[] {
  const result: number[] = [];
  for (let i = 0; i < ids.length; i++) {
    const isPair = ids[i] === left && ids[i + 1] === right;
    result.push(isPair ? merged : ids[i]!);
    if (isPair) i++;
  }
  return result;
}

/** The counts of pairs of neighbouring tokens, and the words in which each pair may occur. */
class PairCounts {
  readonly counts = new Map<number, number>();
  readonly #words = new Map<number, number[]>();

  /** Adds (`sign` 1) or subtracts (-1) the pairs of a word. @returns The pairs. */
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

  addWord(pair: number, word: number): void {
    const words = this.#words.get(pair);
    if (words === undefined) this.#words.set(pair, [word]);
    else if (words.at(-1) !== word) words.push(word);
  }

  /** Removes and returns the words in which a pair may occur, each once. */
  takeWords(pair: number): Set<number> {
    const words = new Set(this.#words.get(pair));
    this.#words.delete(pair);
    return words;
  }
}

interface CountedPair {
  readonly pair: number;
  readonly count: number;
}

function comparePairs(a: CountedPair, b: CountedPair): number {
  return b.count - a.count || a.pair - b.pair;
}

/**
 * Learns merges, as pairs of ids: the same words give the same ones, in whatever order they come. The
 * words' ids are merged in place, and `tokens`, id to text, grows by the new ones.
 */
function learnMerges(
  words: readonly CountedWord[],
  { tokens, vocabSize, minFrequency }: {
    readonly tokens: string[];
    readonly vocabSize: number;
    readonly minFrequency: number;
  },
): [number, number][] {
  const pairs = new PairCounts();
  words.forEach((word, i) => pairs.count(word, 1).forEach((pair) => pairs.addWord(pair, i)));
  const queue = new TinyQueue(
    Array.from(pairs.counts, ([pair, count]): CountedPair => ({ pair, count })),
    comparePairs,
  );
  const idOf = new Map(tokens.map((token, id) => [token, id]));
  const merges: [number, number][] = [];
  const learnt = new Set<number>();
  const least = Math.max(1, minFrequency);
  while (tokens.length < vocabSize) {
    const top = queue.pop();
    if (top === undefined) break;
    // Entries stay in the queue when counts fall: an outdated one goes back with its present count.
    const count = pairs.counts.get(top.pair) ?? 0;
    if (count !== top.count) {
      if (count < top.count && count >= least) queue.push({ pair: top.pair, count });
      continue;
    }
    if (count < least) break;
    const [left, right] = pairIds(top.pair);
    const text = tokens[left]! + tokens[right]!;
    // Two ways to one text (a+bc, ab+c) are two merges into one token.
    const merged = idOf.get(text) ?? tokens.push(text) - 1;
    idOf.set(text, merged);
    if (!learnt.has(top.pair)) merges.push([left, right]);
    learnt.add(top.pair);
    // Only pairs with the merged token can become more frequent.
    const touched = new Set<number>();
    for (const index of pairs.takeWords(top.pair)) {
      const word = words[index]!;
      const ids = mergeWord(word.ids, left, right, merged);
      if (ids.length === word.ids.length) continue;
      pairs.count(word, -1);
      word.ids = ids;
      for (const pair of pairs.count(word, 1)) {
        if (!pairIds(pair).includes(merged)) continue;
        pairs.addWord(pair, index);
        touched.add(pair);
      }
    }
    for (const pair of touched) {
      const risen = pairs.counts.get(pair);
      if (risen !== undefined) queue.push({ pair, count: risen });
    }
  }
  return merges;
}

// The file.

/**
 * The character that stands for each byte, [256]: the byte itself if it is printable, otherwise one
 * from U+0100 on, in the order of the bytes (GPT-2's `bytes_to_unicode`).
 */
export const BYTE_SYMBOLS: readonly string[] = (() => {
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
    return String.fromCharCode(printable ? byte : next++);
  });
})();

/** The content of a byte-level BPE's tokenizer.json, with every key that the tokenizers library writes. */
export function bytePairTokenizerJson(
  { vocab, merges, addedTokens, postProcessor, splitDigits = false }: {
    readonly vocab: JsonObject;
    readonly merges: readonly (readonly string[])[];
    readonly addedTokens: readonly JsonObject[];
    readonly postProcessor: JsonObject;
    readonly splitDigits?: boolean;
  },
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

/** The pre_tokenizer of a tokenizer.json: it splits texts as {@linkcode splitWords} does. */
function preTokenizerJson(splitDigits: boolean): JsonObject {
  const split = (Regex: string) => ({
    type: "Split",
    pattern: { Regex },
    behavior: "Isolated",
    invert: false,
  });
  const byteLevel = {
    type: "ByteLevel",
    add_prefix_space: false,
    trim_offsets: true,
    use_regex: false,
  };
  return {
    type: "Sequence",
    pretokenizers: splitDigits ? [split(DIGIT), split(WORD), byteLevel] : [split(WORD), byteLevel],
  };
}
