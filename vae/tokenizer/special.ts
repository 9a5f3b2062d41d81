/** The roles of special tokens, and how a tokenizer's files name the tokens that play them. */
import { isJsonObject, type JsonObject } from "../../base/json.ts";

/** What a special token is for, as transformers' tokenizer_config.json has it (`pad_token`, ...). */
export const SPECIAL_ROLES = ["pad", "unk", "cls", "sep", "mask", "bos", "eos"] as const;

/** One of {@linkcode SPECIAL_ROLES}. */
export type SpecialRole = typeof SPECIAL_ROLES[number];

/** The token that plays each role; one token may play several. */
export type SpecialTokens = Readonly<Partial<Record<SpecialRole, string>>>;

/** The names that BERT's and GPT-2's vocabularies use, for files that come without a config. */
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
 * Which token plays each role: what the config says, or the usual name where the config is silent and
 * the vocabulary has it. A config's null means that there is none.
 *
 * @param config The content of tokenizer_config.json.
 * @param has Whether a token is in the vocabulary.
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

/** The entries of a tokenizer_config.json that name the special tokens. */
export function specialTokensConfig(tokens: SpecialTokens): JsonObject {
  return Object.fromEntries(SPECIAL_ROLES.map((role) => [`${role}_token`, tokens[role] ?? null]));
}

/** A special token as an entry of tokenizer.json's added_tokens. */
export function addedToken(content: string, id: number): JsonObject {
  const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false };
  return { id, content, ...flags, special: true };
}

/**
 * A post-processor that puts [CLS] before a text and [SEP] after it, as BERT's does; one that adds
 * nothing where the vocabulary lacks one of them.
 *
 * @param id The id of a token, or undefined.
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
