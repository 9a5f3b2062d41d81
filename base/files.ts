/** Writes files and folders atomically: they exist complete, or not at all. */
import { fileError } from "./file_errors.ts";

let counter = 0;

/**
 * Writes a file to a temporary name in the same folder, syncs it to disk and renames it into place. A crash
 * at any moment leaves the old file or the new one, never a part of one.
 *
 * @param path The file. Its folder must exist.
 * @throws {UserError} If it cannot be written.
 */
export async function writeFileAtomic(path: string, content: Uint8Array | string): Promise<void> {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  const temporary = `${path}.tmp-${Deno.pid}-${counter++}`;
  try {
    await writeSynced(temporary, [bytes]);
    await Deno.rename(temporary, path);
  } catch (error) {
    await Deno.remove(temporary).catch(() => {});
    throw fileError(error, `write ${path}`);
  }
}

/** Makes a folder and its parents, unless it exists. @throws {UserError} If it cannot be made. */
export async function makeFolder(path: string): Promise<void> {
  try {
    await Deno.mkdir(path, { recursive: true });
  } catch (error) {
    throw fileError(error, `create the folder ${path}`);
  }
}

/** Whether a file or folder exists and its metadata may be read. */
export async function fileExists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

/** A file of a folder: its path in the folder, with "/" between levels, and its bytes in parts. */
export type FolderFile = readonly [path: string, parts: readonly Uint8Array[]];

export function sizeOf(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, { length }) => sum + length, 0);
}

/** Bytes of one write. Deno copies them. */
const WRITE_BYTES = 2 ** 26;

/**
 * Writes a folder to a temporary name beside it, syncs every file to disk, and renames the folder into place.
 * A crash at any moment leaves the old folder or the new one. Replacing a folder takes two renames; a crash
 * between them leaves both folders complete under temporary names (see `clearLeftovers` in
 * training/checkpoint/folders.ts).
 *
 * @param target The folder to write. Its parent must exist.
 * @param files The files. They are read one at a time, so only one needs to be in memory.
 * @throws {UserError} If it cannot be written. The message names the file and its size, and nothing is left
 * behind.
 */
export async function writeFolderAtomic(
  target: string,
  files: Iterable<FolderFile> | AsyncIterable<FolderFile>,
): Promise<void> {
  const temporary = `${target}.tmp-${Deno.pid}-${counter++}`;
  let action = `write ${target}`;
  try {
    await Deno.mkdir(temporary);
    const folders = new Set<string>([temporary]);
    for await (const [path, parts] of files) {
      action = `write ${target}/${path} (${(sizeOf(parts) / 1e6).toFixed(2)} MB)`;
      const folder = `${temporary}/${path}`.replace(/\/[^/]*$/, "");
      await Deno.mkdir(folder, { recursive: true });
      folders.add(folder);
      await writeSynced(`${temporary}/${path}`, parts);
    }
    for (const folder of folders) await syncFolder(folder);
    action = `rename ${temporary} to ${target}`;
    await replaceFolder(temporary, target);
  } catch (error) {
    await Deno.remove(temporary, { recursive: true }).catch(() => {});
    throw fileError(error, action);
  }
}

/** Renames a folder. A folder that has the new name already is renamed first, and removed in the end. */
async function replaceFolder(from: string, to: string): Promise<void> {
  const replaced = `${to}.tmp-replaced`;
  await Deno.remove(replaced, { recursive: true }).catch(ignoreMissing);
  await Deno.rename(to, replaced).catch(ignoreMissing);
  try {
    await Deno.rename(from, to);
  } catch (error) {
    await Deno.rename(replaced, to).catch(() => {});
    throw error;
  }
  await syncFolder(to.replace(/\/[^/]*$/, "") || "/");
  await Deno.remove(replaced, { recursive: true }).catch(ignoreMissing);
}

async function writeSynced(path: string, parts: readonly Uint8Array[]): Promise<void> {
  using file = await Deno.open(path, { write: true, createNew: true });
  for (const bytes of parts) {
    for (let written = 0; written < bytes.length;) {
      written += await file.write(bytes.subarray(written, written + WRITE_BYTES));
    }
  }
  await file.sync();
}

/** Syncs a folder's list of files to disk. Windows cannot do this, and does not need it. */
export async function syncFolder(path: string): Promise<void> {
  try {
    using folder = await Deno.open(path, { read: true });
    await folder.sync();
  } catch {
    // The system cannot sync folders. The renames still happen in order.
  }
}

/** Rethrows an error unless it says that a file does not exist. For `Promise.catch()`. */
export function ignoreMissing(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}

/** Reads a file, or returns undefined if there is none. @throws {UserError} If it cannot be read. */
export async function readFileIfExists(path: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
  try {
    return await Deno.readFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw fileError(error, `read ${path}`);
  }
}

/** Reads a file by its name: its bytes, or undefined if there is no such file. */
export type FileReader = (name: string) => Promise<Uint8Array | undefined>;

export function folderReader(folder: string): FileReader {
  return (name) => readFileIfExists(`${folder}/${name}`);
}
