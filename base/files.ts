/** Files that are either there whole or not there at all. */
import { fileError } from "./file_errors.ts";

let counter = 0;

/**
 * Writes a file to a temporary name in the same folder, syncs it to disk and renames it into place.
 * A crash at any moment leaves the old file or the new one, never half of one.
 *
 * @param path The file to write; its folder must exist.
 * @param content Bytes, or text to be encoded as UTF-8.
 * @throws {UserError} If it cannot be written, with what to do.
 */
export async function writeFileAtomic(path: string, content: Uint8Array | string): Promise<void> {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  const temporary = `${path}.tmp-${Deno.pid}-${counter++}`;
  try {
    using file = await Deno.open(temporary, { write: true, createNew: true });
    for (let written = 0; written < bytes.length;) {
      written += await file.write(bytes.subarray(written));
    }
    await file.sync();
    await Deno.rename(temporary, path);
  } catch (error) {
    await Deno.remove(temporary).catch(() => {});
    throw fileError(error, `write ${path}`);
  }
}

/**
 * Makes a folder and those above it; one that is there already is fine.
 *
 * @throws {UserError} If it cannot be made, with what to do.
 */
export async function makeFolder(path: string): Promise<void> {
  try {
    await Deno.mkdir(path, { recursive: true });
  } catch (error) {
    throw fileError(error, `create the folder ${path}`);
  }
}

/** Whether there is a file or a folder that can be looked at. */
export async function fileExists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}
