/** Results in folders that are known again by what they were made from. */
import { makeFolder, writeFileAtomic } from "../engine/files.ts";
import { canonicalJson, type JsonObject, parseJsonObject, sha256 } from "../engine/json.ts";

/** The last file to be written. */
const RECORD = "record.json";

/**
 * Makes something, unless the folder holds what was made from the same.
 *
 * @param folder Where the maker writes its files; it is emptied before that.
 * @param from What the result depends on.
 * @param found What is said of a result that is there, such as "sample: the same samples are".
 * @returns The result, which is JSON.
 */
export async function madeOnce<T>(
  folder: string,
  from: JsonObject,
  found: string,
  { make, log = console.log }: {
    readonly make: () => Promise<T>;
    readonly log?: (line: string) => void;
  },
): Promise<T> {
  const key = await sha256(canonicalJson(from));
  const path = `${folder}/${RECORD}`;
  const record = await madeBefore(folder);
  if (record?.["key"] === key) {
    log(`${found} in ${folder} already`);
    return record["result"] as T;
  }
  await Deno.remove(folder, { recursive: true }).catch(() => {});
  await makeFolder(folder);
  const result = await make();
  await writeFileAtomic(path, JSON.stringify({ key, ...from, result }, null, 2) + "\n");
  return result;
}

/** What {@linkcode madeOnce} wrote into a folder; undefined where there is nothing whole. */
export async function madeBefore(folder: string): Promise<JsonObject | undefined> {
  const path = `${folder}/${RECORD}`;
  const text = await Deno.readTextFile(path).catch(() => undefined);
  return text === undefined ? undefined : parseJsonObject(text, path);
}
