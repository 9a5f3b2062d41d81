/** Loads a tokenizer from any of the file formats of BERT's and GPT-2's tokenizers. */
import { UserError } from "../../base/errors.ts";
import { type FileReader, folderReader } from "../../base/files.ts";
import { isJsonObject, type JsonObject, parseJsonObject } from "../../base/json.ts";
import { quote } from "../../base/quote.ts";
import { TextTokenizer, type TokenizerOptions } from "./tokenizer.ts";
import { type AddedIds, bytePairJson, wordPieceJson } from "./vocab.ts";

/** Names of the two files of a byte-level BPE, of transformers and of OpenAI. */
const BYTE_PAIR_FILES = [["vocab.json", "merges.txt"], ["encoder.json", "vocab.bpe"]] as const;

/**
 * Loads a tokenizer from tokenizer.json, or else BERT's vocab.txt, or else GPT-2's vocab.json and
 * merges.txt. tokenizer_config.json is read if there is one. `read` serves files that are not in a folder.
 *
 * @throws {UserError} If there are no such files, or one is damaged or lacks a required special token.
 */
export async function loadTokenizer(
  folder: string,
  options: Omit<TokenizerOptions, "source"> & { readonly read?: FileReader | undefined } = {},
): Promise<TextTokenizer> {
  const { needs = [], read = folderReader(folder) } = options;
  const textOf = async (name: string) => {
    const bytes = await read(name);
    return bytes === undefined ? undefined : decodeUtf8(bytes, `${folder}/${name}`);
  };
  const configName = "tokenizer_config.json";
  const configText = await textOf(configName);
  const config: JsonObject = configText === undefined
    ? {}
    : parseJsonObject(configText, `${folder}/${configName}`);

  const make = (json: JsonObject, name: string) =>
    new TextTokenizer(json, config, { source: `${folder}/${name}`, needs });
  const whole = await textOf("tokenizer.json");
  if (whole !== undefined) {
    return make(parseJsonObject(whole, `${folder}/tokenizer.json`), "tokenizer.json");
  }
  const added = addedIds(config, await textOf("added_tokens.json"), folder);
  const lines = await textOf("vocab.txt");
  if (lines !== undefined) {
    return make(wordPieceJson(lines, config, `${folder}/vocab.txt`, added), "vocab.txt");
  }
  for (const [vocabName, mergesName] of BYTE_PAIR_FILES) {
    const vocab = await textOf(vocabName);
    if (vocab === undefined) continue;
    const merges = await textOf(mergesName);
    if (merges === undefined) {
      throw new UserError(`${folder} holds ${vocabName} but no ${mergesName}, which belongs to it`);
    }
    const parsed = parseJsonObject(vocab, `${folder}/${vocabName}`);
    return make(bytePairJson(parsed, merges, config, `${folder}/${mergesName}`, added), vocabName);
  }
  throw new UserError(
    `${folder} holds no tokenizer: expected tokenizer.json, or vocab.txt (BERT), or vocab.json and ` +
      "merges.txt (GPT-2)",
  );
}

/** The tokens that were added to a vocabulary: those of tokenizer_config.json and of added_tokens.json. */
function addedIds(config: JsonObject, text: string | undefined, folder: string): AddedIds {
  const name = `${folder}/added_tokens.json`;
  const listed = Object.entries(text === undefined ? {} : parseJsonObject(text, name));
  const decoder = config["added_tokens_decoder"];
  const decoded = Object.entries(isJsonObject(decoder) ? decoder : {})
    .map(([id, entry]) => [isJsonObject(entry) ? entry["content"] : entry, Number(id)] as const);
  return new Map([...decoded, ...listed].map(([token, id]) => {
    if (typeof token === "string" && Number.isSafeInteger(id) && Number(id) >= 0) {
      return [token, Number(id)];
    }
    throw new UserError(`${name}: the token ${quote(token)} has the id ${quote(id)}`);
  }));
}

function decodeUtf8(bytes: Uint8Array, path: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new UserError(`${path} is not UTF-8 text: it is damaged, or another kind of file`);
  }
}
