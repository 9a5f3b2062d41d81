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

function addedTokens(config: JsonObject, vocab: ReadonlyMap<string, number>): JsonObject[] {
  const named = new Set(Object.values(specialTokensOf(config, (token) => vocab.has(token))));
  return [...named].filter((token) => vocab.has(token))
    .map((token) => addedToken(token, vocab.get(token)!))
    .sort((a, b) => Number(a["id"]) - Number(b["id"]));
}

/** A WordPiece tokenizer from BERT's vocab.txt. Each line is a token, whose id is the line's number. */
export function wordPieceJson(text: string, config: JsonObject, source: string): JsonObject {
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
  const special = specialTokensOf(config, (token) => vocab.has(token));
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: addedTokens(config, vocab),
    normalizer: {
      type: "BertNormalizer",
      clean_text: true,
      handle_chinese_chars: config["tokenize_chinese_chars"] ?? true,
      strip_accents: config["strip_accents"] ?? null,
      lowercase: config["do_lower_case"] ?? true,
    },
    pre_tokenizer: { type: "BertPreTokenizer" },
    post_processor: templateProcessor(special, (token) => vocab.get(token)),
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
): JsonObject {
  const merges: string[][] = [];
  linesOf(mergesText).forEach((line, i) => {
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
    addedTokens: addedTokens(config, ids),
    postProcessor: templateProcessor({}, () => undefined),
  });
}
