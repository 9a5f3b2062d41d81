/** Native code that is cut off: loading it would end the process without a word. */
/** Length of an ELF file's header. */
const HEADER = 64;

/**
 * Whether a file of native code for Linux ends before its own header says. Other systems' files, and
 * those that may not be read, are taken for whole.
 */
export function isCutOff(path: string): boolean {
  try {
    using file = Deno.openSync(path);
    const bytes = new Uint8Array(HEADER);
    const length = file.readSync(bytes) ?? 0;
    if (length < HEADER) return true;
    const view = new DataView(bytes.buffer);
    const isElf64 = view.getUint32(0) === 0x7f454c46 && bytes[4] === 2 && bytes[5] === 1;
    if (!isElf64) return false;
    // The table of sections comes last: its place, the size of an entry, and their number.
    const end = Number(view.getBigUint64(40, true)) +
      view.getUint16(58, true) * view.getUint16(60, true);
    return file.statSync().size < end;
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable || error instanceof Deno.errors.NotFound) {
      return false;
    }
    throw error;
  }
}

/**
 * Checks files of native code before they are loaded.
 *
 * @throws If one is cut off, perhaps because the disk was full when it was written.
 */
export function checkNativeFiles(paths: readonly string[]): void {
  for (const path of paths) {
    if (isCutOff(path)) throw new Error(`${path} is cut off`);
  }
}
