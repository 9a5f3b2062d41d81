/** Results in folders that are known again by what they were made from. */
import { UserError } from "../base/errors.ts";
import { makeFolder, writeFileAtomic } from "../base/files.ts";
import {
  canonicalJson,
  type JsonObject,
  type JsonValue,
  parseJsonObject,
  sha256OfParts,
} from "../base/json.ts";

/** The last file to be written. */
const RECORD = "record.json";

/** The hash of JSON, whatever the order of its keys. */
function hashOf(value: JsonValue): string {
  return sha256OfParts([new TextEncoder().encode(canonicalJson(value))]);
}

/**
 * Makes something, unless the folder holds what was made from the same.
 *
 * @param folder Where the maker writes its files; it is emptied before that.
 * @param from What the result depends on.
 * @param found What is said of a result that is there, such as "sample: the same samples are".
 * @returns The result, which is JSON.
 * @throws {UserError} If what the folder holds was altered.
 */
export async function cachedResult<T>(
  folder: string,
  from: JsonObject,
  found: string,
  { make, log = console.log }: {
    readonly make: () => Promise<T>;
    readonly log?: (line: string) => void;
  },
): Promise<T> {
  const key = hashOf(from);
  const path = `${folder}/${RECORD}`;
  const before = await readCachedResult(folder);
  if (before?.["key"] === key) {
    log(`${found} in ${folder} already`);
    return before["result"] as T;
  }
  await Deno.remove(folder, { recursive: true }).catch(() => {});
  await makeFolder(folder);
  const result = await make();
  const resultHash = hashOf(result as JsonValue);
  const record = { key, ...from, resultHash, result };
  await writeFileAtomic(path, JSON.stringify(record, null, 2) + "\n");
  return result;
}

/**
 * What {@linkcode cachedResult} wrote into a folder; undefined where there is nothing whole.
 *
 * @throws {UserError} If it was altered: a result is used as it is, so it has to be what was made.
 */
export async function readCachedResult(folder: string): Promise<JsonObject | undefined> {
  const path = `${folder}/${RECORD}`;
  const text = await Deno.readTextFile(path).catch(() => undefined);
  if (text === undefined) return undefined;
  const record = parseJsonObject(text, path);
  const { result, resultHash } = record;
  if (resultHash === undefined) return undefined; // by an earlier version
  if (result !== undefined && hashOf(result) === resultHash) return record;
  throw new UserError(
    `${path} is altered: its result is not the one that was written: remove ${folder} to have it ` +
      "made anew",
  );
}
