/** Pinned files in a folder. */
import { join } from "node:path";
import { UserError } from "../../base/errors.ts";
import { fileError } from "../../base/file_errors.ts";
import type { Contents, Origin } from "../dataset.ts";
import { inspect, maxStoredBytes, type PinnedFile } from "./integrity.ts";

/** What to do about a bad file, by where it lies. */
export const REMEDY: Readonly<Record<Exclude<Origin, "network">, string>> = {
  cache: "remove it, and it is downloaded again",
  "data-dir": "put the right file there, or leave --data-dir out",
  system: "reinstall its package, or name a folder with the right files by --data-dir",
  sample: "restore it with `git checkout`",
};

/** What {@linkcode readFolder} finds. */
export interface FolderContents {
  /** The files that are there, unpacked and checked. */
  readonly contents: Contents;
  /** The files that are not there. */
  readonly missing: readonly PinnedFile[];
}

/** The file's bytes as they are stored, or undefined where there is no such file. */
async function readStored(
  path: string,
  pin: PinnedFile,
  remedy: string,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  try {
    const { isFile, size } = await Deno.stat(path);
    if (!isFile) throw new UserError(`${path}: not a file; ${remedy}`);
    const most = maxStoredBytes(pin);
    if (size > most) {
      throw new UserError(`${path}: altered: ${size} bytes instead of at most ${most}; ${remedy}`);
    }
    return await Deno.readFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return undefined;
    }
    throw fileError(error, `read ${path}`);
  }
}

/**
 * Reads the files that a folder has, under their own names or, unpacked, without the ".gz".
 *
 * @param folder The folder, which need not exist.
 * @param pins The files to look for.
 * @param remedy What the user can do about a file that is wrong.
 * @throws {UserError} For a file that cannot be read or is not what it should be.
 */
export async function readFolder(
  folder: string,
  pins: readonly PinnedFile[],
  remedy: string,
): Promise<FolderContents> {
  const contents = new Map<string, Uint8Array<ArrayBuffer>>();
  for (const pin of pins) {
    for (const name of new Set([pin.name, pin.name.replace(/\.gz$/, "")])) {
      const path = join(folder, name);
      const stored = await readStored(path, pin, remedy);
      if (stored === undefined) continue;
      const found = await inspect(stored, pin);
      if ("fault" in found) {
        const pull = found.fault === "Git LFS pointer" ? "run `git lfs pull` there, or " : "";
        throw new UserError(`${path}: ${found.detail}; ${pull}${remedy}`);
      }
      contents.set(pin.name, found.bytes);
      break;
    }
  }
  return { contents, missing: pins.filter(({ name }) => !contents.has(name)) };
}
