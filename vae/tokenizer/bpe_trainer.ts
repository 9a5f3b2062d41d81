/**
 * Trains a byte-level BPE tokenizer (Sennrich et al. 2016; Radford et al. 2019) and writes it as
 * transformers' files, tokenizer.json and tokenizer_config.json. The same texts give the same files.
 */
import { UserError } from "../../base/errors.ts";
import type { JsonObject } from "../../base/json.ts";
import { bytePairTokenizerJson } from "./bpe_json.ts";
import { learnMerges } from "./bpe_merges.ts";
import { BYTE_SYMBOLS, pretokens, wordBytes } from "./bpe_pretokens.ts";
import { ID_LIMIT } from "./bpe_queue.ts";
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
