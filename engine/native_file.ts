/** What keeps native code from being loaded that its loader does not tell of. */
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

/** Descriptors that loading a package takes at once, at most: one a thread that reads its files. */
const DESCRIPTORS = 4;

/**
 * What opening a few files more meets. A loader of packages says only that a file could not be loaded,
 * not that it was one file too many for the system's limit.
 *
 * @param path A file that can be read.
 * @returns The system's error; undefined where as many files can be opened as loading takes.
 */
export function openFilesError(path: string): unknown {
  const opened: Deno.FsFile[] = [];
  try {
    while (opened.length < DESCRIPTORS) opened.push(Deno.openSync(path));
    return undefined;
  } catch (error) {
    return ["EMFILE", "ENFILE"].includes((error as { code?: string }).code!) ? error : undefined;
  } finally {
    for (const file of opened) file.close();
  }
}
