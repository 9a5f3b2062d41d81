/** Compares runs by their records: settings, data, environment, and the run that a checkpoint belongs to. */
import { UserError } from "../base/errors.ts";
import { isJsonObject, jsonDifferences, type JsonObject } from "../base/json.ts";
import { quote } from "../base/quote.ts";
import { kebabCase } from "./flags.ts";
import type { LoadedCheckpoint } from "../training/checkpoint/checkpoint.ts";
import type { DataOrigin, RunRecord, RunSession } from "./run_record.ts";

/**
 * The first difference of two configurations in words, except for `ignored` settings; undefined if there is
 * none.
 */
export function configDifference(
  there: JsonObject,
  here: JsonObject,
  ignored: readonly string[] = [],
): string | undefined {
  const [first, ...others] = jsonDifferences(there, here)
    .filter(({ key }) => !ignored.includes(key));
  if (first === undefined) return undefined;
  return `--${kebabCase(first.key)} is ${quote(first.left)} there and ${quote(first.right)} here` +
    (others.length === 0 ? "" : ` (and ${others.length} more)`);
}

function hashesOf(data: readonly DataOrigin[]): JsonObject {
  return Object.fromEntries(data.map(({ name, sha256 }) => [name, sha256]));
}

/**
 * The first difference of two runs' data by hash, in words. Data sets that only the other run has do not
 * matter.
 */
export function dataDifference(
  there: readonly DataOrigin[],
  here: readonly DataOrigin[],
): string | undefined {
  return hashDifference(hashesOf(there), hashesOf(here));
}

function hashDifference(there: JsonObject, here: JsonObject): string | undefined {
  for (const [name, expected] of Object.entries(here)) {
    const found = Object.hasOwn(there, name) ? there[name] : undefined;
    if (!isJsonObject(found)) return `it was not trained on ${quote(name)}`;
    const [file] = jsonDifferences(found, expected as JsonObject);
    if (file !== undefined) {
      return `the data ${quote(name)} differs, in the file ${quote(file.key)}`;
    }
  }
  return undefined;
}

/** Warnings, one for each difference of the environment after which results may not be equal bit for bit. */
export function sessionNotes(before: RunSession | undefined, now: RunSession): string[] {
  if (before === undefined) return [];
  const environmentOf = ({ device, threads, versions, lockfile, commit }: RunSession) => ({
    device,
    threads,
    versions,
    lockfile,
    commit,
  });
  return jsonDifferences(environmentOf(before), environmentOf(now)).map(({ key, left, right }) =>
    `${key} was ${quote(left)} when this run was last started and is ${quote(right)} now: ` +
    "figures may differ in their last digits"
  );
}

/** What a checkpoint stores, in `details.run`, to identify the run that it belongs to. */
export function runDetails({ config, data }: Pick<RunRecord, "config" | "data">): JsonObject {
  return { config, data: hashesOf(data) };
}

/**
 * Refuses to resume from a checkpoint of another run, such as one that was copied into the run's folder.
 *
 * @param checkpoint One without training state, which cannot be resumed, passes.
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
    : `--seed is ${state.seed} there and ${record.seed} here`;
  if (difference === undefined) return;
  throw new UserError(
    `${directory} belongs to another run: ${difference}. Put this run's own checkpoint there, or ` +
      "start again with --overwrite",
  );
}

function detailsDifference(
  details: unknown,
  { config, data }: Pick<RunRecord, "config" | "data">,
  extendable: readonly string[],
): string | undefined {
  const { config: itsConfig, data: itsData } = isJsonObject(details) ? details : {};
  if (!isJsonObject(itsConfig) || !isJsonObject(itsData)) {
    return "its training state lacks the settings of a run";
  }
  return configDifference(itsConfig, config, extendable) ??
    hashDifference(itsData, hashesOf(data));
}
