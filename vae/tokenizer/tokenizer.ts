/** Converts texts to token ids and back, as transformers' tokenizers do. */
// The tokenizers of transformers.js as a package of their own, without its native libraries.
import { Tokenizer as LibraryTokenizer } from "@huggingface/tokenizers";
import { UserError } from "../../base/errors.ts";
import { isJsonObject, type JsonObject } from "../../base/json.ts";
import { quote } from "../../base/quote.ts";
import { readVocabulary, type Vocabulary } from "./json.ts";
import {
  SPECIAL_ROLES,
  type SpecialRole,
  type SpecialTokens,
  specialTokensOf,
  USUAL_NAMES,
} from "./special.ts";

/** Options of {@linkcode TextTokenizer}. */
export interface TokenizerOptions {
  /** The name of tokenizer.json in messages. @default "the tokenizer" */
  readonly source?: string | undefined;
  /** The roles that the vocabulary must have tokens for. @default none */
  readonly needs?: readonly SpecialRole[] | undefined;
}

/** Options of {@linkcode TextTokenizer.encode}. */
export interface TokenizeOptions {
  /** Whether to add the tokenizer's special tokens: for BERT, [CLS] and [SEP]. @default false */
  readonly addSpecialTokens?: boolean | undefined;
  /**
   * Whether a special token's name in the text is ordinary text. It should be in texts by users, which
   * could otherwise contain an end token, for example. @default false, as in transformers
   */
  readonly splitSpecialTokens?: boolean | undefined;
}

/** A tokenizer: {@linkcode TextTokenizer.encode} and {@linkcode TextTokenizer.decode}. */
export class TextTokenizer {
  /** The content of tokenizer.json. */
  readonly json: JsonObject;
  /** The content of tokenizer_config.json. */
  readonly config: JsonObject;
  /** The token of each role that the vocabulary has one for. */
  readonly specialTokens: SpecialTokens;
  /** The ids of all special tokens. */
  readonly specialIds: ReadonlySet<number>;
  /** One more than the highest id: the number of rows of an embedding. */
  readonly vocabSize: number;
  readonly #source: string;
  readonly #vocabulary: Vocabulary;
  readonly #tokens = new Map<number, string>();
  readonly #marked: LibraryTokenizer;
  readonly #plain: LibraryTokenizer;
  readonly #cleanUp: boolean;
  readonly #normalize: (text: string) => string;

  /**
   * Makes a tokenizer from the content of tokenizer.json, a BPE or WordPiece model, and of
   * tokenizer_config.json; {@linkcode loadTokenizer} reads them from a folder.
   *
   * @throws {UserError} If the file is unusable or a required special token is missing.
   */
  constructor(json: JsonObject, config: JsonObject = {}, options: TokenizerOptions = {}) {
    const { source = "the tokenizer", needs = [] } = options;
    this.#source = source;
    this.json = json;
    this.config = config;
    const vocabulary = readVocabulary(json, source);
    this.#vocabulary = vocabulary;
    for (const [token, id] of vocabulary.ids) this.#tokens.set(id, token);
    this.vocabSize = vocabulary.size;
    this.specialTokens = specialTokensOf(config, (token) => vocabulary.ids.has(token));
    const special = [...vocabulary.special, ...Object.values(this.specialTokens)];
    this.specialIds = new Set(
      special.map((token) => vocabulary.ids.get(token)).filter((id) => id !== undefined),
    );
    for (const role of needs) this.id(role);
    this.#marked = library(json, config, source);
    this.#plain = library(withoutSpecialTokens(json, vocabulary), config, source);
    this.#normalize = normalizerOf(json);
    // BPE tokens contain the spaces: removing some would change the text.
    const { model } = json;
    this.#cleanUp = config["clean_up_tokenization_spaces"] === true && isJsonObject(model) &&
      model["type"] !== "BPE" && model["merges"] === undefined;
  }

  /** The id of the special token of a role. @throws {UserError} If the vocabulary has none. */
  id(role: SpecialRole): number {
    const token = this.specialTokens[role];
    const id = token === undefined ? undefined : this.#vocabulary.ids.get(token);
    if (id !== undefined) return id;
    throw new UserError(
      `${this.#source} lacks the special token ${quote(token ?? USUAL_NAMES[role])} (${role}): ` +
        `use a tokenizer that has it, or name another token as "${role}_token" in ` +
        "tokenizer_config.json",
    );
  }

  /** The token of an id as the vocabulary contains it; undefined if there is none. */
  token(id: number): string | undefined {
    return this.#tokens.get(id);
  }

  /**
   * Encodes a text into ids [T] in [0, vocabSize). An empty text has none except for added special tokens.
   *
   * @throws {UserError} If a part of the file that this text needs is unusable.
   */
  encode(text: string, options: TokenizeOptions = {}): Int32Array<ArrayBuffer> {
    const { addSpecialTokens = false, splitSpecialTokens = false } = options;
    const tokenizer = splitSpecialTokens ? this.#plain : this.#marked;
    const normal = this.#normalize(text.toWellFormed());
    const { ids } = guarded(
      this.#source,
      () => tokenizer.encode(normal, { add_special_tokens: addSpecialTokens }),
    );
    const unknown = ids.find((id) => !this.#tokens.has(id));
    if (unknown !== undefined) {
      const problem = `it returns the id ${quote(unknown)}, which no token has`;
      throw new UserError(`${this.#source} is no usable tokenizer: ${problem}`);
    }
    return Int32Array.from(ids);
  }

  /**
   * Decodes ids into a text. For byte-level BPE it is exactly the text that was encoded, if that was
   * well-formed Unicode. Ids without a token are left out, as in Python's tokenizers, and by default
   * special ones.
   */
  decode(
    ids: Iterable<number>,
    { skipSpecialTokens = true }: { readonly skipSpecialTokens?: boolean | undefined } = {},
  ): string {
    const kept = [...ids].filter((id) =>
      this.#tokens.has(id) && !(skipSpecialTokens && this.specialIds.has(id))
    );
    if (kept.length === 0) return ""; // the library refuses an empty list
    return guarded(this.#source, () =>
      this.#marked.decode(kept, {
        skip_special_tokens: false,
        clean_up_tokenization_spaces: this.#cleanUp,
      }));
  }

  /** The files to save for transformers, as names and bytes. */
  files(): [name: string, bytes: Uint8Array<ArrayBuffer>][] {
    const bytes = (json: JsonObject) =>
      new TextEncoder().encode(`${JSON.stringify(json, null, 1)}\n`);
    const names = Object.fromEntries(
      SPECIAL_ROLES.flatMap((role) => {
        const token = this.specialTokens[role];
        return token === undefined ? [] : [[`${role}_token`, token]];
      }),
    );
    // Named even if the config did not name them: Python knows no usual names.
    const config = { tokenizer_class: "PreTrainedTokenizerFast", ...this.config, ...names };
    return [["tokenizer.json", bytes(this.json)], ["tokenizer_config.json", bytes(config)]];
  }
}

/** Han characters beyond U+FFFF. */
const RARE_HAN =
  /[\u{20000}-\u{2a6df}\u{2a700}-\u{2b73f}\u{2b740}-\u{2b81f}\u{2b820}-\u{2ceaf}\u{2f800}-\u{2fa1f}]/gu;

/**
 * What BERT's normalizer in transformers' fast tokenizer does and the library does not: rare Han characters
 * stand apart too, and a capital sigma has one small letter, also at the end of a word.
 */
function normalizerOf({ normalizer }: JsonObject): (text: string) => string {
  if (!isJsonObject(normalizer) || normalizer["type"] !== "BertNormalizer") return (text) => text;
  const { handle_chinese_chars: separates, lowercase } = normalizer;
  return (text) => {
    const apart = separates === false ? text : text.replace(RARE_HAN, " $& ");
    return lowercase === false ? apart : apart.replaceAll("\u03a3", "\u03c3");
  };
}

/** A tokenizer.json whose special tokens keep their ids but are not recognized in texts. */
function withoutSpecialTokens(json: JsonObject, { ids, special }: Vocabulary): JsonObject {
  const { model, added_tokens: added } = json;
  if (!isJsonObject(model) || !isJsonObject(model["vocab"]) || !Array.isArray(added)) return json;
  const vocab = { ...model["vocab"] };
  for (const token of special) vocab[token] = ids.get(token);
  return {
    ...json,
    model: { ...model, vocab },
    added_tokens: added.filter((entry) => !special.has(entry.content)),
  };
}

function library(json: JsonObject, config: JsonObject, source: string): LibraryTokenizer {
  const missing = {
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: null,
    post_processor: null,
    decoder: null,
  };
  return guarded(source, () => new LibraryTokenizer({ ...missing, ...json }, config));
}

/** Runs the library, which reads some parts of its files only on use, and wraps its errors. */
function guarded<T>(source: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new UserError(`${source} is no usable tokenizer: ${quote(reason, 200)}`, {
      cause: error,
    });
  }
}
