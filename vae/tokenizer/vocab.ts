/** Converts the vocabulary files of BERT and GPT-2 to the content of a tokenizer.json. */
import { UserError } from "../../base/errors.ts";
import type { JsonObject } from "../../base/json.ts";
import { quote } from "../../base/quote.ts";
import { bytePairTokenizerJson } from "./bpe.ts";
import { addedToken, specialTokensOf, templateProcessor } from "./special.ts";

function linesOf(text: string): string[] {
  const lines = text.split("\n").map((line) => line.endsWith("\r") ? line.slice(0, -1) : line);
  if (lines.at(-1) === "") lines.pop();
  return lines;
}

/** The ids of tokens that were added to a vocabulary, from added_tokens.json. */
export type AddedIds = ReadonlyMap<string, number>;

/** The special tokens of the vocabulary and the added ones. */
function addedTokens(config: JsonObject, vocab: AddedIds, added: AddedIds): JsonObject[] {
  const ids = new Map([...vocab, ...added]);
  const named = new Set(Object.values(specialTokensOf(config, (token) => ids.has(token))));
  const others = [...added.keys()].filter((token) => !named.has(token));
  const entries = [
    ...[...named].filter((token) => ids.has(token)).map((token) =>
      addedToken(token, ids.get(token)!)
    ),
    // As transformers reads them: like the texts around, they are normalized.
    ...others.map((token): JsonObject => ({
      ...addedToken(token, added.get(token)!),
      normalized: true,
      special: false,
    })),
  ];
  return entries.sort((a, b) => Number(a["id"]) - Number(b["id"]));
}

/** A WordPiece tokenizer from BERT's vocab.txt. Each line is a token, whose id is the line's number. */
export function wordPieceJson(
  text: string,
  config: JsonObject,
  source: string,
  added: AddedIds = new Map(),
): JsonObject {
  const vocab = new Map<string, number>();
  linesOf(text).forEach((token, id) => {
    const earlier = vocab.get(token);
    if (token === "") throw new UserError(`${source}, line ${id + 1}: a token is missing`);
    if (earlier !== undefined) {
      throw new UserError(
        `${source}, line ${id + 1}: the token ${quote(token)} is in line ${earlier + 1} already`,
      );
    }
    vocab.set(token, id);
  });
  const ids = new Map([...vocab, ...added]);
  const special = specialTokensOf(config, (token) => ids.has(token));
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: addedTokens(config, vocab, added),
    normalizer: {
      type: "BertNormalizer",
      clean_text: true,
      handle_chinese_chars: config["tokenize_chinese_chars"] ?? true,
      strip_accents: config["strip_accents"] ?? null,
      lowercase: config["do_lower_case"] ?? true,
    },
    pre_tokenizer: { type: "BertPreTokenizer" },
    post_processor: templateProcessor(special, (token) => ids.get(token)),
    decoder: { type: "WordPiece", prefix: "##", cleanup: true },
    model: {
      type: "WordPiece",
      unk_token: special.unk ?? "[UNK]",
      continuing_subword_prefix: "##",
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(vocab),
    },
  };
}

/**
 * A byte-level BPE tokenizer from GPT-2's vocab.json, token to id, and merges.txt: a version line, then
 * two tokens on each line.
 */
export function bytePairJson(
  vocab: JsonObject,
  mergesText: string,
  config: JsonObject,
  source: string,
  added: AddedIds = new Map(),
): JsonObject {
  const merges: string[][] = [];
  linesOf(mergesText.trimEnd()).forEach((line, i) => {
    if (i === 0 && line.startsWith("#version")) return;
    const pair = line.split(" ");
    if (pair.length !== 2 || pair.includes("")) {
      throw new UserError(
        `${source}, line ${i + 1}: expected two tokens with a space between, found ${quote(line)}`,
      );
    }
    merges.push(pair);
  });
  const ids = new Map(Object.entries(vocab).map(([token, id]) => [token, Number(id)]));
  return bytePairTokenizerJson({
    vocab,
    merges,
    addedTokens: addedTokens(config, ids, added),
    postProcessor: templateProcessor({}, () => undefined),
  });
}
