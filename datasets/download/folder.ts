/** Reads pinned files from a folder. */
import { join } from "node:path";
import { UserError } from "../../base/errors.ts";
import { fileError } from "../../base/file_errors.ts";
import type { Contents } from "../dataset.ts";
import { inspect, maxStoredBytes, type PinnedFile } from "./integrity.ts";

export interface FolderContents {
  readonly contents: Contents;
  readonly missing: readonly PinnedFile[];
}

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
 * Reads the files that exist in a folder, under their own names or, unpacked, without the ".gz", which some
 * tools write as train-images.idx3-ubyte. `remedy` is advice about a bad file, which is an error.
 */
export async function readFolder(
  folder: string,
  pins: readonly PinnedFile[],
  remedy: string,
): Promise<FolderContents> {
  const contents = new Map<string, Uint8Array<ArrayBuffer>>();
  for (const pin of pins) {
    const plain = pin.name.replace(/\.gz$/, "");
    for (const name of new Set([pin.name, plain, plain.replace(/-(idx\d)/, ".$1")])) {
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
