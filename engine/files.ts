/** Files that are either there whole or not there at all. */

let counter = 0;

/**
 * Writes a file to a temporary name in the same folder, syncs it to disk and renames it into place.
 * A crash at any moment leaves the old file or the new one, never half of one.
 *
 * @param path The file to write; its folder must exist.
 * @param content Bytes, or text to be encoded as UTF-8.
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
  } catch (error) {
    await Deno.remove(temporary).catch(() => {});
    throw error;
  }
  await Deno.rename(temporary, path);
}
