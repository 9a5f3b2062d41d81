/** Reads and checks a tokenizer.json before it is passed to the tokenizers library. */
import { UserError } from "../../base/errors.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../../base/json.ts";
import { quote } from "../../base/quote.ts";
import { BYTE_SYMBOLS } from "./bpe.ts";

export interface Vocabulary {
  /** Including those in added_tokens. */
  readonly ids: ReadonlyMap<string, number>;
  readonly special: ReadonlySet<string>;
  readonly size: number;
}

/** Ids are below this: no embedding has so many rows. */
const ID_LIMIT = 2 ** 25;

/**
 * Reads and checks a tokenizer.json's vocabulary. Unusable are other models than BPE and WordPiece,
 * invalid or repeated ids, merges of unknown tokens, and vocabularies that could not represent some text.
 */
export function readVocabulary(json: JsonObject, source: string): Vocabulary {
  const fail = (what: string): never => {
    throw new UserError(`${source} is no usable tokenizer: ${what}`);
  };
  const { model } = json;
  if (!isJsonObject(model)) return fail('it has no "model"');
  const kind = model["type"] ?? (model["merges"] === undefined ? "WordPiece" : "BPE");
  if (kind !== "BPE" && kind !== "WordPiece") {
    return fail(`its model is ${quote(kind)}, and only BPE and WordPiece are supported`);
  }
  if (!isJsonObject(model["vocab"])) return fail('its model has no "vocab"');
  const ids = new Map<string, number>();
  const tokenOf = new Map<number, string>();
  let size = 1;
  const add = (token: string, id: JsonValue | undefined) => {
    if (typeof id !== "number" || !Number.isInteger(id) || id < 0 || id >= ID_LIMIT) {
      return fail(`the id of token ${quote(token)} is ${quote(id)}, not a whole number from 0`);
    }
    const other = tokenOf.get(id);
    if (other !== undefined && other !== token) {
      return fail(`the tokens ${quote(other)} and ${quote(token)} both have the id ${id}`);
    }
    ids.set(token, id);
    tokenOf.set(id, token);
    size = Math.max(size, id + 1);
  };
  for (const [token, id] of Object.entries(model["vocab"])) add(token, id);
  const special = new Set<string>();
  const added = json["added_tokens"] ?? [];
  if (!Array.isArray(added)) return fail('its "added_tokens" are not a list');
  for (const entry of added as readonly JsonValue[]) {
    const token = isJsonObject(entry) ? entry["content"] : undefined;
    if (!isJsonObject(entry) || typeof token !== "string" || token === "") {
      return fail(`one of its "added_tokens" is ${quote(entry)}, without a "content"`);
    }
    if (ids.has(token) && ids.get(token) !== entry["id"]) {
      return fail(
        `the token ${quote(token)} has two ids: ${ids.get(token)}, ${quote(entry["id"])}`,
      );
    }
    add(token, entry["id"]);
    if (entry["special"] === true) special.add(token);
  }
  if (ids.size === 0) return fail("its vocabulary is empty");
  const pattern = slowPattern(json);
  if (pattern !== undefined) {
    return fail(`its pattern ${quote(pattern)} repeats a group, which can take forever`);
  }
  const missing = kind === "BPE"
    ? checkMerges(model, ids, fail) ?? missingByte(json, model, ids)
    : missingUnknown(model, ids);
  if (missing !== undefined) return fail(missing);
  return { ids, special, size };
}

/**
 * The first regular expression of the file that repeats a group, such as `(a+)+`: on some texts its time
 * doubles with every character. Published tokenizers repeat only single characters.
 */
function slowPattern(json: JsonObject): string | undefined {
  const { normalizer, pre_tokenizer, post_processor, decoder } = json;
  const patterns: string[] = [];
  JSON.stringify([normalizer, pre_tokenizer, post_processor, decoder], (key, value) => {
    if (key === "Regex" && typeof value === "string") patterns.push(value);
    return value;
  });
  return patterns.find((pattern) =>
    /\)[*+{]/.test(pattern.replace(/\\./g, "").replace(/\[\^?\]?[^\]]*\]/g, ""))
  );
}

/** A merge as a pair, whether it is written as a list or, in older files, with a space. */
function mergePair(merge: JsonValue): readonly [string, string] | undefined {
  const pair: unknown = typeof merge === "string" ? merge.split(" ") : merge;
  if (!Array.isArray(pair) || pair.length !== 2) return undefined;
  const [left, right]: unknown[] = pair;
  const whole = typeof left === "string" && typeof right === "string" && left !== "" &&
    right !== "";
  return whole ? [left, right] : undefined;
}

function checkMerges(
  model: JsonObject,
  ids: ReadonlyMap<string, number>,
  fail: (what: string) => never,
): undefined {
  const { merges } = model;
  if (!Array.isArray(merges)) return fail('its BPE model has no list of "merges"');
  (merges as readonly JsonValue[]).forEach((merge, i) => {
    const pair = mergePair(merge);
    if (pair === undefined) return fail(`merge ${i} is ${quote(merge)}, not two tokens`);
    const absent = [...pair, pair.join("")].find((token) => !ids.has(token));
    // If sub-words have a prefix, the merged token is not the concatenation of the two.
    if (absent !== undefined && !model["continuing_subword_prefix"]) {
      return fail(
        `merge ${i}, ${quote(merge)}, needs ${quote(absent)}, which its vocabulary lacks`,
      );
    }
  });
}

/** A fault if a byte has no token: byte-level BPE would silently drop it from texts. */
function missingByte(
  json: JsonObject,
  model: JsonObject,
  ids: ReadonlyMap<string, number>,
): string | undefined {
  const stages = JSON.stringify(json["pre_tokenizer"] ?? null);
  if (!stages.includes('"ByteLevel"') || typeof model["unk_token"] === "string") return undefined;
  const byte = BYTE_SYMBOLS.findIndex((symbol) => !ids.has(symbol));
  if (byte < 0) return undefined;
  return `its vocabulary lacks the byte 0x${byte.toString(16).padStart(2, "0")} ` +
    `(${quote(BYTE_SYMBOLS[byte])}), which texts would lose`;
}

function missingUnknown(model: JsonObject, ids: ReadonlyMap<string, number>): string | undefined {
  const unknown = model["unk_token"];
  if (typeof unknown === "string" && ids.has(unknown)) return undefined;
  return `its vocabulary lacks ${quote(unknown ?? "[UNK]")}, the token for unknown words`;
}
