/** The manifest of a checkpoint: which files belong to it, and their hashes. */
import { UserError } from "../../base/errors.ts";
import { fileError } from "../../base/file_errors.ts";
import { isJsonObject, parseJsonObject, sha256OfParts } from "../../base/json.ts";
import { quote } from "../../base/quote.ts";

/** The name of the manifest in a checkpoint's folder. */
export const MANIFEST_NAME = "manifest.json";

/** Size and hash of one file. */
export interface ManifestEntry {
  /** The file's size in bytes. */
  readonly bytes: number;
  /** The file's SHA-256, in hexadecimal. */
  readonly sha256: string;
}

/** The files of a checkpoint by their path inside it, with "/" between levels. */
export type Manifest = ReadonlyMap<string, ManifestEntry>;

/** What a file in a checkpoint may be called: at most one folder deep, and nowhere else. */
const SAFE_PATH = /^(?:[A-Za-z0-9][\w.-]*\/)?[A-Za-z0-9][\w.-]*$/;

/** Whether a path stays inside the folder it is relative to, and is one that checkpoints use. */
export function isSafePath(path: string): boolean {
  return path.length <= 200 && SAFE_PATH.test(path);
}

/** The text of a manifest file: the same for the same files in any order. */
export function formatManifest(manifest: Manifest): string {
  const files = Object.fromEntries([...manifest].sort(([a], [b]) => a < b ? -1 : 1));
  return JSON.stringify({ format: "nanodiffusion-checkpoint", version: 1, files }, null, 2) + "\n";
}

/**
 * Reads a checkpoint's manifest.
 *
 * @param directory The checkpoint's folder.
 * @returns undefined where there is no manifest.
 * @throws {UserError} If it is there and unsound.
 */
export async function readManifest(directory: string): Promise<Manifest | undefined> {
  const source = `${directory}/${MANIFEST_NAME}`;
  try {
    return parseManifest(await Deno.readTextFile(source), source);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw fileError(error, `read ${source}`);
  }
}

/** Parses a manifest. @param source What messages call it. @throws {UserError} If it is unsound. */
export function parseManifest(text: string, source: string): Manifest {
  const { format, version, files } = parseJsonObject(text, source);
  if (format !== "nanodiffusion-checkpoint" || !isJsonObject(files)) {
    throw new UserError(`${source} is not the manifest of a checkpoint`);
  }
  if (version !== 1) {
    throw new UserError(`${source} is of version ${quote(version)}: update this program`);
  }
  const manifest = new Map<string, ManifestEntry>();
  for (const [path, entry] of Object.entries(files)) {
    const sound = isSafePath(path) && isJsonObject(entry) && Number.isSafeInteger(entry.bytes) &&
      typeof entry.sha256 === "string" && /^[0-9a-f]{64}$/.test(entry.sha256);
    if (!sound) throw new UserError(`${source}: the entry ${quote(path)} is unsound`);
    manifest.set(path, { bytes: entry.bytes as number, sha256: entry.sha256 as string });
  }
  return manifest;
}

/**
 * Reads a file of a checkpoint and holds it against the manifest.
 *
 * @throws {UserError} If it is missing, truncated or altered.
 */
export async function readVerified(
  directory: string,
  path: string,
  expected: ManifestEntry | undefined,
): Promise<Uint8Array<ArrayBuffer>> {
  const name = `${directory}/${path}`;
  try {
    // The size first: a file that has become huge shall not be read into memory.
    const { size } = await Deno.stat(name);
    if (expected !== undefined && size !== expected.bytes) {
      const what = size < expected.bytes ? "truncated" : "altered";
      throw new UserError(
        `${name} is ${what}: it has ${size} bytes, ${expected.bytes} when it was saved`,
      );
    }
    const bytes = await Deno.readFile(name);
    if (expected !== undefined && sha256OfParts([bytes]) !== expected.sha256) {
      throw new UserError(`${name} is altered: its SHA-256 is not the one it was saved with`);
    }
    return bytes;
  } catch (error) {
    throw fileError(error, `read ${name}`);
  }
}

/**
 * Reads every file of a checkpoint's manifest once and checks its size and hash.
 *
 * @throws {UserError} If there is no manifest, or a file is missing, truncated or altered.
 */
export async function verifyManifest(directory: string): Promise<void> {
  const manifest = await readManifest(directory);
  if (manifest === undefined) {
    throw new UserError(`${directory} is incomplete: it has no ${MANIFEST_NAME}`);
  }
  for (const [path, entry] of manifest) await readVerified(directory, path, entry);
}
