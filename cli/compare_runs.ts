/** Whether two records, or a checkpoint and a record, are of one run: in what they differ, by name. */
import { UserError } from "../base/errors.ts";
import { isJsonObject, jsonDifferences, type JsonObject } from "../base/json.ts";
import { quote } from "../base/quote.ts";
import type { LoadedCheckpoint } from "../training/checkpoint/checkpoint.ts";
import type { DataOrigin, RunRecord, RunSession } from "./run_record.ts";

/** Hashes of data sets' files by the data set's name. */
type Hashes = Readonly<Record<string, Readonly<Record<string, string>>>>;

function hashesOf(data: readonly DataOrigin[]): Hashes {
  return Object.fromEntries(data.map(({ name, sha256 }) => [name, sha256]));
}

/** In which settings two configurations differ, in words. @returns undefined where in none. */
export function configDifference(
  there: JsonObject,
  here: JsonObject,
  ignored: readonly string[] = [],
): string | undefined {
  const differences = jsonDifferences(there, here).filter(({ key }) => !ignored.includes(key));
  const [first] = differences;
  if (first === undefined) return undefined;
  const others = differences.length - 1;
  return `${first.key} is ${quote(first.left)} there and ${quote(first.right)} here` +
    (others === 0 ? "" : ` (and ${others} more)`);
}

/** In which file data differs, in words. @returns undefined where in none. */
export function dataDifference(
  there: readonly DataOrigin[],
  here: readonly DataOrigin[],
): string | undefined {
  return hashDifference(hashesOf(there), hashesOf(here));
}

function hashDifference(there: Hashes, here: Hashes): string | undefined {
  for (const [name, sha256] of Object.entries(here)) {
    const before = there[name];
    if (before === undefined) return `it was not trained on ${quote(name)}`;
    const [file] = jsonDifferences(before, sha256);
    if (file !== undefined) {
      return `the data ${quote(name)} is another there, in ${quote(file.key)}`;
    }
  }
  return undefined;
}

/** What may keep a run that goes on, or is repeated, from being what it was, bit for bit. */
export function sessionNotes(before: RunSession | undefined, now: RunSession): string[] {
  if (before === undefined) return [];
  const pick = ({ device, threads, versions, lockfile, commit }: RunSession): JsonObject => ({
    ...{ device, threads, versions },
    ...(lockfile === undefined ? {} : { lockfile }),
    ...(commit === undefined ? {} : { commit }),
  });
  return jsonDifferences(pick(before), pick(now)).map(({ key, left, right }) =>
    `${key} was ${quote(left)} when this run was last started and is ${quote(right)} now: ` +
    "figures may differ in their last digits"
  );
}

/** What a checkpoint keeps of the record of its run, in its `details.run`. */
export function runDetails({ config, data }: Pick<RunRecord, "config" | "data">): JsonObject {
  return { config, data: hashesOf(data) };
}

/**
 * Refuses to go on from a checkpoint of another run, such as one that was copied into its folder: its
 * weights may fit and be another seed's.
 *
 * @param checkpoint The checkpoint. One that keeps nothing of its run's record is held to the seed alone.
 * @param record The record of the run that is to go on.
 * @param extendable Settings that may differ.
 * @throws {UserError} Naming the first setting, or the data, that differs.
 */
export function checkSameRun(
  { directory, state }: Pick<LoadedCheckpoint, "directory" | "state">,
  record: Pick<RunRecord, "seed" | "config" | "data">,
  extendable: readonly string[],
): void {
  if (state === undefined) return;
  const difference = state.seed === record.seed
    ? detailsDifference(state.details?.["run"], record, extendable)
    : `seed is ${state.seed} there and ${record.seed} here`;
  if (difference === undefined) return;
  throw new UserError(
    `${directory} is of another run: ${difference}. Put this run's own checkpoint there, or start ` +
      "again with --overwrite",
  );
}

function detailsDifference(
  kept: unknown,
  { config, data }: Pick<RunRecord, "config" | "data">,
  extendable: readonly string[],
): string | undefined {
  if (!isJsonObject(kept) || !isJsonObject(kept["config"]) || !isJsonObject(kept["data"])) {
    return undefined;
  }
  // Settings that there were none for, then, were at their defaults.
  const before = kept["config"];
  const known = Object.entries(config).filter(([key]) => Object.hasOwn(before, key));
  return configDifference(before, Object.fromEntries(known), extendable) ??
    hashDifference(kept["data"] as unknown as Hashes, hashesOf(data));
}
