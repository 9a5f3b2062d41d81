/** Results that are computed once: a folder holds the result, and the hash of what it depends on. */
import { print } from "./output.ts";
import { UserError } from "../base/errors.ts";
import { makeFolder, writeFileAtomic } from "../base/files.ts";
import {
  canonicalJson,
  type JsonObject,
  type JsonValue,
  parseJsonObject,
  sha256OfParts,
} from "../base/json.ts";
import { jsonOf } from "./run_record.ts";

const RECORD = "record.json"; // written last

function hashOf(value: JsonValue): string {
  return sha256OfParts([new TextEncoder().encode(canonicalJson(value))]);
}

/**
 * Computes a result, unless the folder holds the result of the same inputs.
 *
 * @param folder The folder of the result. It is emptied before `make` writes its files there.
 * @param from Everything that the result depends on, as JSON.
 * @param found The beginning of the line that reports a cached result: "sample: the same samples are".
 * @param options `make` computes the result, which must be JSON; `log` receives the report.
 * @throws {UserError} If the record in the folder was altered.
 */
export async function cachedResult<T>(
  folder: string,
  from: object,
  found: string,
  { make, log = print }: {
    readonly make: () => Promise<T>;
    readonly log?: ((line: string) => void) | undefined;
  },
): Promise<T> {
  const inputs = jsonOf(from);
  const key = hashOf(inputs);
  const cached = await readCachedResult(folder);
  if (cached?.["key"] === key) {
    log(`${found} in ${folder} already`);
    return cached["result"] as T;
  }
  await Deno.remove(folder, { recursive: true }).catch(() => {});
  await makeFolder(folder);
  const result = await make();
  const resultHash = hashOf(result as JsonValue);
  const record = { key, ...inputs, resultHash, result };
  await writeFileAtomic(`${folder}/${RECORD}`, JSON.stringify(record, null, 2) + "\n");
  return result;
}

/**
 * Reads the record that {@linkcode cachedResult} wrote into a folder.
 *
 * @returns undefined if there is none, because nothing was computed or it was interrupted.
 * @throws {UserError} If the result in it is not the one that was written.
 */
export async function readCachedResult(folder: string): Promise<JsonObject | undefined> {
  const path = `${folder}/${RECORD}`;
  const text = await Deno.readTextFile(path).catch(() => undefined);
  if (text === undefined) return undefined;
  const record = parseJsonObject(text, path);
  const { result, resultHash } = record;
  if (result !== undefined && hashOf(result) === resultHash) return record;
  throw new UserError(
    `${path} was altered: its result is not the one that was written. Remove ${folder} to compute it ` +
      "again",
  );
}
