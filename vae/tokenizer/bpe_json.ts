/** tokenizer.json of a byte-level byte-pair tokenizer. */
import type { JsonObject } from "../../base/json.ts";
import { preTokenizerJson } from "./bpe_pretokens.ts";

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
