/** The manifest of a checkpoint: its files with their sizes and hashes. */
import { UserError } from "../../base/errors.ts";
import { fileError } from "../../base/file_errors.ts";
import { readFileIfExists } from "../../base/files.ts";
import { isJsonObject, parseJsonObject, sha256OfParts } from "../../base/json.ts";
import { quote } from "../../base/quote.ts";

export const MANIFEST_NAME = "manifest.json";

export interface ManifestEntry {
  readonly bytes: number;
  /** In hexadecimal. */
  readonly sha256: string;
}

export type Manifest = ReadonlyMap<string, ManifestEntry>;

/** Paths that are allowed in a checkpoint: at most one folder deep. */
const SAFE_PATH = /^(?:[A-Za-z0-9][\w.-]*\/)?[A-Za-z0-9][\w.-]*$/;

/** Whether a relative path is allowed in a checkpoint; it cannot leave the folder. */
export function isSafePath(path: string): boolean {
  return path.length <= 200 && SAFE_PATH.test(path);
}

/** The text of a manifest; it does not depend on the order of the files. */
export function formatManifest(manifest: Manifest): string {
  const files = Object.fromEntries([...manifest].sort(([a], [b]) => a < b ? -1 : 1));
  return JSON.stringify({ format: "nanodiffusion-checkpoint", version: 1, files }, null, 2) + "\n";
}

/** Reads the manifest of a checkpoint; undefined if there is none. @throws {UserError} If it is unsound. */
export async function readManifest(directory: string): Promise<Manifest | undefined> {
  const source = `${directory}/${MANIFEST_NAME}`;
  const bytes = await readFileIfExists(source);
  return bytes && parseManifest(new TextDecoder().decode(bytes), source);
}

export function parseManifest(text: string, source: string): Manifest {
  const { format, version, files } = parseJsonObject(text, source);
  if (format !== "nanodiffusion-checkpoint" || !isJsonObject(files)) {
    throw new UserError(`${source} is not the manifest of a checkpoint`);
  }
  if (version !== 1) {
    throw new UserError(
      `${source} has the version ${quote(version)}, expected 1: update this program`,
    );
  }
  const manifest = new Map<string, ManifestEntry>();
  for (const [path, entry] of Object.entries(files)) {
    const sound = isSafePath(path) && isJsonObject(entry) && Number.isSafeInteger(entry.bytes) &&
      typeof entry.sha256 === "string" && /^[0-9a-f]{64}$/.test(entry.sha256);
    if (!sound) throw new UserError(`${source}: the entry ${quote(path)} is not valid`);
    manifest.set(path, { bytes: entry.bytes as number, sha256: entry.sha256 as string });
  }
  return manifest;
}

/**
 * Reads a file of a checkpoint. @throws {UserError} If it is missing, or its size or hash is not `expected`.
 */
export async function readVerified(
  directory: string,
  path: string,
  expected: ManifestEntry | undefined,
): Promise<Uint8Array<ArrayBuffer>> {
  const name = `${directory}/${path}`;
  try {
    // The size is checked first, so that a huge file is not read into memory.
    const { size } = await Deno.stat(name);
    if (expected !== undefined && size !== expected.bytes) {
      const what = size < expected.bytes ? "truncated" : "altered";
      throw new UserError(
        `${name} is ${what}: it has ${size} bytes, but had ${expected.bytes} when it was saved`,
      );
    }
    const bytes = await Deno.readFile(name);
    if (expected !== undefined && sha256OfParts([bytes]) !== expected.sha256) {
      throw new UserError(`${name} is altered: its SHA-256 differs from that in the manifest`);
    }
    return bytes;
  } catch (error) {
    throw fileError(error, `read ${name}`);
  }
}

/**
 * Checks the size and the hash of every file in a checkpoint's manifest. @throws {UserError} If one differs.
 */
export async function verifyManifest(directory: string): Promise<void> {
  const manifest = await readManifest(directory);
  if (manifest === undefined) {
    throw new UserError(`${directory} is incomplete: it has no ${MANIFEST_NAME}`);
  }
  for (const [path, entry] of manifest) await readVerified(directory, path, entry);
}
