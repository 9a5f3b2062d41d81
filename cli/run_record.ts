/** config.json of a run's folder: what was run, on what, with what. Enough to run it again. */
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
import type { Versions } from "./session.ts";

/** The name of the record in a run's folder. */
export const RECORD_NAME = "config.json";

/** What a record calls the data that comes with the project. */
export const BUNDLED = "the bundled sample";

/** Where a data set came from, and what exactly it was. */
export interface DataOrigin {
  /** The data set and its part, such as "fashion-mnist, train". */
  readonly name: string;
  /** The address, the system's package, or {@linkcode BUNDLED}. */
  readonly origin: string;
  /** The SHA-256 of each file's unpacked bytes. */
  readonly sha256: Readonly<Record<string, string>>;
  /** The number of examples. */
  readonly rows?: number;
}

/** One start of the program in a run's folder. */
export interface RunSession {
  /** When it started, as ISO 8601. */
  readonly started: string;
  /** The command line, program first. */
  readonly command: readonly string[];
  /** Where tensors were computed, such as "onnx". */
  readonly device: string;
  /** Threads that the device used. */
  readonly threads: number;
  /** Versions of this package, of Deno and of the npm packages. */
  readonly versions: Versions;
  /** The SHA-256 of deno.lock, which pins every package by its hash; where it could be read. */
  readonly lockfile?: string;
  /** Settings of this start that `config` does not have, such as those of later stages. */
  readonly settings?: JsonObject;
  /** The machine. */
  readonly system: { readonly os: string; readonly arch: string; readonly cores: number };
  /** The commit of the code, where that could be read. */
  readonly commit?: string;
}

/** The content of a run's config.json. */
export interface RunRecord {
  /** The program, "image" or "text". */
  readonly program: string;
  /** The run's seed. */
  readonly seed: number;
  /** Every setting, those left at their defaults included. */
  readonly config: JsonObject;
  /** {@linkcode configHash} of `config`. */
  readonly configHash: string;
  /** The data that it was trained on. */
  readonly data: readonly DataOrigin[];
  /** Every start of the program in this folder; the first made it. */
  readonly sessions: readonly RunSession[];
}

/** The SHA-256 of a configuration, whatever the order of its keys. */
export async function configHash(config: JsonObject): Promise<string> {
  return await sha256(canonicalJson(config));
}

/** The text of a run's config.json. */
export function formatRecord(record: RunRecord): string {
  return JSON.stringify({ format: "nanodiffusion-run", version: 1, ...record }, null, 2) + "\n";
}

/**
 * Reads a run's config.json.
 *
 * @param path The file.
 * @returns undefined where there is none.
 * @throws {UserError} If it cannot be read or is something else.
 */
export async function readRecord(path: string): Promise<RunRecord | undefined> {
  try {
    return await parseRecord(await Deno.readTextFile(path), path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw fileError(error, `read ${path}`);
  }
}

/** Parses a run's record. @param path What messages call it. @throws {UserError} If it is unsound. */
export async function parseRecord(text: string, path: string): Promise<RunRecord> {
  const { format, version, ...record } = parseJsonObject(text, path);
  if (format !== "nanodiffusion-run") {
    throw new UserError(`${path} is not the config.json of a run: a model's has another content`);
  }
  if (version !== 1) {
    throw new UserError(`${path} is of version ${quote(version)}: update this program`);
  }
  const { program, seed, config, configHash: hash, data, sessions } = record;
  const sound = typeof program === "string" && Number.isSafeInteger(seed) && isJsonObject(config) &&
    Array.isArray(data) && data.every(isOrigin) && Array.isArray(sessions) &&
    sessions.every(isSession);
  if (!sound) throw new UserError(`${path} lacks a part of a run's record: was it edited?`);
  if (await configHash(config) !== hash) {
    throw new UserError(
      `${path} was edited: its configuration is not the one that the run was made with. Undo that, ` +
        "or start again with --overwrite",
    );
  }
  return record as unknown as RunRecord;
}

function isOrigin(item: unknown): boolean {
  return isJsonObject(item) && typeof item["name"] === "string" &&
    typeof item["origin"] === "string" && isJsonObject(item["sha256"]) &&
    Object.values(item["sha256"]).every((hash) => typeof hash === "string") &&
    (item["rows"] === undefined || Number.isSafeInteger(item["rows"]));
}

function isSession(item: unknown): boolean {
  if (!isJsonObject(item)) return false;
  const { command, commit } = item;
  return ["started", "device"].every((key) => typeof item[key] === "string") &&
    Array.isArray(command) && command.every((word) => typeof word === "string") &&
    Number.isSafeInteger(item["threads"]) && isJsonObject(item["versions"]) &&
    isJsonObject(item["system"]) && (commit === undefined || typeof commit === "string");
}
