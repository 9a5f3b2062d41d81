/** config.json of a run's folder: settings, data and environment, enough to run it again. */
import { UserError } from "../base/errors.ts";
import { fileError } from "../base/file_errors.ts";
import {
  canonicalJson,
  isJsonObject,
  type JsonObject,
  parseJsonObject,
  sha256,
} from "../base/json.ts";
import { quote } from "../base/quote.ts";

export const RECORD_NAME = "config.json";

/** The origin of data that comes with the project. */
export const BUNDLED = "the bundled sample";

/** A data set: where it came from, and the hashes that identify it. */
export interface DataOrigin {
  /** The data set and its part, such as "fashion-mnist, train". */
  readonly name: string;
  /** The address, the system's package, or {@linkcode BUNDLED}. */
  readonly origin: string;
  /** The SHA-256 of each file's unpacked bytes. */
  readonly sha256: Readonly<Record<string, string>>;
  readonly rows?: number | undefined;
  /** Names of the classes, where they are not those of a well-known set. */
  readonly classNames?: readonly string[] | undefined;
}

/** One start of the program in a run's folder. */
export interface RunSession {
  /** The time of the start, as ISO 8601. */
  readonly started: string;
  readonly command: readonly string[];
  readonly device: string;
  readonly threads: number;
  readonly versions: Readonly<Record<string, string>>;
  /** The SHA-256 of deno.lock, which has a hash of every package. What was not readable is left out. */
  readonly lockfile?: string | undefined;
  /** Settings of this start that are not in `config`, such as those of later stages. */
  readonly settings?: JsonObject | undefined;
  readonly system: { readonly os: string; readonly arch: string; readonly cores: number };
  readonly commit?: string | undefined;
}

/** The content of a run's config.json. */
export interface RunRecord {
  readonly program: string;
  readonly seed: number;
  /** Every setting, defaults included. */
  readonly config: JsonObject;
  /** {@linkcode configHash} of `config`. */
  readonly configHash: string;
  readonly data: readonly DataOrigin[];
  /** Every start of the program in this folder, in order. */
  readonly sessions: readonly RunSession[];
}

/** Settings as JSON. Settings that are undefined are left out. */
export function jsonOf(settings: object): JsonObject {
  return JSON.parse(JSON.stringify(settings));
}

export async function configHash(config: JsonObject): Promise<string> {
  return await sha256(canonicalJson(config));
}

export function formatRecord(record: RunRecord): string {
  return JSON.stringify({ format: "nanodiffusion-run", version: 1, ...record }, null, 2) + "\n";
}

/**
 * Reads a run's config.json; undefined if there is none.
 *
 * @throws {UserError} If it cannot be read, or {@linkcode parseRecord} refuses it.
 */
export async function readRecord(path: string): Promise<RunRecord | undefined> {
  try {
    return await parseRecord(await Deno.readTextFile(path), path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw fileError(error, `read ${path}`);
  }
}

/**
 * Parses a run's record; `path` is for messages.
 *
 * @throws {UserError} If it is not a run's record, is of another version, incomplete, or was edited.
 */
export async function parseRecord(text: string, path: string): Promise<RunRecord> {
  const { format, version, ...record } = parseJsonObject(text, path);
  if (format !== "nanodiffusion-run") {
    throw new UserError(
      `${path} is not the config.json of a run (models have one of their own): name a run's folder`,
    );
  }
  if (version !== 1) {
    throw new UserError(
      `${path} has the version ${quote(version)}: update this program to read it`,
    );
  }
  const { program, seed, config, configHash: hash, data, sessions } = record;
  const isComplete = typeof program === "string" && Number.isSafeInteger(seed) &&
    isJsonObject(config) && Array.isArray(data) && data.every(isOrigin) &&
    Array.isArray(sessions) && sessions.every(isSession);
  if (!isComplete) {
    throw new UserError(`${path} lacks a part of a run's record: restore the original file`);
  }
  if (await configHash(config) !== hash) {
    throw new UserError(
      `${path} was edited: its settings are not those that the run was made with. Undo the edit, and ` +
        "give changes as flags: --config FILE --learning-rate 0.001",
    );
  }
  return record as unknown as RunRecord;
}

function isOrigin(item: unknown): boolean {
  return isJsonObject(item) && typeof item["name"] === "string" &&
    typeof item["origin"] === "string" && isJsonObject(item["sha256"]) &&
    Object.values(item["sha256"]).every((hash) => typeof hash === "string") &&
    (item["rows"] === undefined || Number.isSafeInteger(item["rows"])) &&
    (item["classNames"] === undefined || isTextList(item["classNames"]));
}

function isTextList(value: unknown): boolean {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

function isSession(item: unknown): boolean {
  if (!isJsonObject(item)) return false;
  const { command, commit } = item;
  return ["started", "device"].every((key) => typeof item[key] === "string") &&
    isTextList(command) &&
    Number.isSafeInteger(item["threads"]) && isJsonObject(item["versions"]) &&
    isJsonObject(item["system"]) && (commit === undefined || typeof commit === "string");
}
