/** Texts to token ids and back, as transformers' tokenizers do it. */
// The tokenizers of npm:@huggingface/transformers, which are a package of their own since its version 4.
// transformers' entry point would load two native libraries that no tokenizer uses.
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
  /** What messages call the tokenizer.json. @default "the tokenizer" */
  readonly source?: string;
  /** The roles that must be filled. @default none */
  readonly needs?: readonly SpecialRole[];
}

/** Options of {@linkcode TextTokenizer.encode}. */
export interface TokenizeOptions {
  /** Whether to add what the tokenizer adds to a text: for BERT, [CLS] and [SEP]. @default false */
  readonly addSpecialTokens?: boolean;
  /**
   * Whether a special token's name in the text is text like any other. For what people wrote, it should
   * be: as the token itself, it would be a way to end a text, say. @default false, as in transformers
   */
  readonly splitSpecialTokens?: boolean;
}

/** A tokenizer, ready for use: see {@linkcode TextTokenizer.encode} and {@linkcode TextTokenizer.decode}. */
export class TextTokenizer {
  /** The content of tokenizer.json. */
  readonly json: JsonObject;
  /** The content of tokenizer_config.json. */
  readonly config: JsonObject;
  /** The token of each role that the vocabulary can fill. */
  readonly specialTokens: SpecialTokens;
  /** The ids of all special tokens. */
  readonly specialIds: ReadonlySet<number>;
  /** One more than the highest id: rows of an embedding. */
  readonly vocabSize: number;
  readonly #source: string;
  readonly #vocabulary: Vocabulary;
  readonly #tokens = new Map<number, string>();
  readonly #marked: LibraryTokenizer;
  readonly #plain: LibraryTokenizer;
  readonly #cleanUp: boolean;

  /**
   * Makes a tokenizer of transformers' files; {@linkcode loadTokenizer} reads them from a folder.
   *
   * @param json The content of tokenizer.json: a BPE or WordPiece model.
   * @param config The content of tokenizer_config.json.
   * @param options `needs` says which special tokens must be there.
   * @throws {UserError} If the file is unusable or a needed special token is missing.
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
    // BPE spells out its spaces: removing some would not give the same text back.
    const { model } = json;
    this.#cleanUp = config["clean_up_tokenization_spaces"] === true && isJsonObject(model) &&
      model["type"] !== "BPE" && model["merges"] === undefined;
  }

  /**
   * The id of the special token that plays a role.
   *
   * @throws {UserError} If the vocabulary has none; says which token was looked for.
   */
  id(role: SpecialRole): number {
    const token = this.specialTokens[role];
    const id = token === undefined ? undefined : this.#vocabulary.ids.get(token);
    if (id !== undefined) return id;
    throw new UserError(
      `${this.#source} lacks the special token ${
        quote(token ?? USUAL_NAMES[role])
      } (${role}): use ` +
        `a tokenizer that has it, or name the one that plays its part as "${role}_token" in ` +
        "tokenizer_config.json",
    );
  }

  /** The id of a token, as the vocabulary spells it; undefined where there is none. */
  tokenId(token: string): number | undefined {
    return this.#vocabulary.ids.get(token);
  }

  /** How the vocabulary spells an id; undefined where the id is no token's. */
  token(id: number): string | undefined {
    return this.#tokens.get(id);
  }

  /**
   * Turns a text into ids.
   *
   * @param text Any text; an empty one gives no ids but those that are added.
   * @returns Ids in [0, vocabSize), [T].
   * @throws {UserError} If a part of the file that this text needs is unusable.
   */
  encode(text: string, options: TokenizeOptions = {}): Int32Array<ArrayBuffer> {
    const { addSpecialTokens = false, splitSpecialTokens = false } = options;
    const tokenizer = splitSpecialTokens ? this.#plain : this.#marked;
    const { ids } = guarded(
      this.#source,
      () => tokenizer.encode(text.toWellFormed(), { add_special_tokens: addSpecialTokens }),
    );
    const stranger = ids.find((id) => !this.#tokens.has(id));
    if (stranger !== undefined) {
      throw new UserError(
        `${this.#source} is no usable tokenizer: it gives the id ${
          quote(stranger)
        }, which no token has`,
      );
    }
    return Int32Array.from(ids);
  }

  /**
   * Turns ids into a text. For byte-level BPE it is, character by character, the text that was encoded
   * (where that was well-formed Unicode).
   *
   * @param ids Any ids; those without a token are left out, as Python's tokenizers do.
   * @param options Whether special tokens are left out, too. @default true
   */
  decode(ids: Iterable<number>, options: { readonly skipSpecialTokens?: boolean } = {}): string {
    const { skipSpecialTokens = true } = options;
    const kept = [...ids].filter((id) =>
      this.#tokens.has(id) && !(skipSpecialTokens && this.specialIds.has(id))
    );
    if (kept.length === 0) return ""; // which the library refuses
    return guarded(this.#source, () =>
      this.#marked.decode(kept, {
        skip_special_tokens: false,
        clean_up_tokenization_spaces: this.#cleanUp,
      }));
  }

  /** The files to save, by name: those that transformers opens. */
  files(): [name: string, bytes: Uint8Array<ArrayBuffer>][] {
    const bytes = (json: JsonObject) =>
      new TextEncoder().encode(`${JSON.stringify(json, null, 1)}\n`);
    const names = Object.fromEntries(
      SPECIAL_ROLES.flatMap((role) => {
        const token = this.specialTokens[role];
        return token === undefined ? [] : [[`${role}_token`, token]];
      }),
    );
    // Named even where the config left them to be guessed, since Python does not guess.
    const config = { tokenizer_class: "PreTrainedTokenizerFast", ...this.config, ...names };
    return [["tokenizer.json", bytes(this.json)], ["tokenizer_config.json", bytes(config)]];
  }
}

/** A tokenizer.json whose special tokens have their ids but are not looked for in texts. */
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

/** Hands the files to the library, whose errors speak of its own code. */
function library(json: JsonObject, config: JsonObject, source: string): LibraryTokenizer {
  const parts = { normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null };
  return guarded(
    source,
    () => new LibraryTokenizer({ added_tokens: [], ...parts, ...json }, config),
  );
}

/** Runs the library, which looks at many parts of its files only when they are used. */
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
