/** The roles of special tokens, and their entries in a tokenizer's files. */
import { isJsonObject, type JsonObject } from "../../base/json.ts";

/** The roles of special tokens in transformers' tokenizer_config.json (`pad_token`, ...). */
export const SPECIAL_ROLES = ["pad", "unk", "cls", "sep", "mask", "bos", "eos"] as const;

/** One of {@linkcode SPECIAL_ROLES}. */
export type SpecialRole = typeof SPECIAL_ROLES[number];

/** The token of each role; one token may have several roles. */
export type SpecialTokens = Readonly<Partial<Record<SpecialRole, string>>>;

/** The names in BERT's and GPT-2's vocabularies, for files without a config. */
export const USUAL_NAMES: Readonly<Record<SpecialRole, string>> = {
  pad: "[PAD]",
  unk: "[UNK]",
  cls: "[CLS]",
  sep: "[SEP]",
  mask: "[MASK]",
  bos: "<|endoftext|>",
  eos: "<|endoftext|>",
};

/**
 * The token of each role: the config's, or the usual name if the config has no entry and the vocabulary
 * contains it. An entry of null means that there is none.
 */
export function specialTokensOf(
  config: JsonObject,
  has: (token: string) => boolean,
): SpecialTokens {
  const tokens: Partial<Record<SpecialRole, string>> = {};
  for (const role of SPECIAL_ROLES) {
    const named = config[`${role}_token`];
    const token = isJsonObject(named) ? named["content"] : named;
    if (typeof token === "string") tokens[role] = token;
    else if (named === undefined && has(USUAL_NAMES[role])) tokens[role] = USUAL_NAMES[role];
  }
  return tokens;
}

export function specialTokensConfig(tokens: SpecialTokens): JsonObject {
  return Object.fromEntries(SPECIAL_ROLES.map((role) => [`${role}_token`, tokens[role] ?? null]));
}

export function addedToken(content: string, id: number): JsonObject {
  return {
    id,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  };
}

/**
 * A post-processor that puts [CLS] before a text and [SEP] after it, as BERT's does; it adds nothing if
 * the vocabulary lacks one of them.
 */
export function templateProcessor(
  { cls, sep }: SpecialTokens,
  id: (token: string) => number | undefined,
): JsonObject {
  const text = (name: "A" | "B", type_id: number) => ({ Sequence: { id: name, type_id } });
  const ids = [cls, sep].map((token) => token === undefined ? undefined : id(token));
  if (cls === undefined || sep === undefined || ids.includes(undefined)) {
    return {
      type: "TemplateProcessing",
      single: [text("A", 0)],
      pair: [text("A", 0), text("B", 1)],
      special_tokens: {},
    };
  }
  const mark = (token: string, type_id: number) => ({ SpecialToken: { id: token, type_id } });
  const single = [mark(cls, 0), text("A", 0), mark(sep, 0)];
  return {
    type: "TemplateProcessing",
    single,
    pair: [...single, text("B", 1), mark(sep, 1)],
    special_tokens: Object.fromEntries(
      [cls, sep].map((token, i) => [token, { id: token, ids: [ids[i]!], tokens: [token] }]),
    ),
  };
}
