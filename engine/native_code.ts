/** Problems with native code that its loader does not explain. */
import { UserError } from "@nanodiffusion/base/errors";
import type { DeviceName } from "./device_names.ts";

/**
 * Whether a file of native code for Linux is shorter than its own header says. False for the files of
 * other systems, and for files that are missing or may not be read.
 */
export function isTruncated(path: string): boolean {
  try {
    using file = Deno.openSync(path);
    const bytes = new Uint8Array(64); // the header of an ELF file
    const length = file.readSync(bytes) ?? 0;
    if (length < bytes.length) return true;
    const view = new DataView(bytes.buffer);
    const isElf64 = view.getUint32(0) === 0x7f454c46 && bytes[4] === 2 && bytes[5] === 1;
    if (!isElf64) return false;
    // The section table comes last: its offset, the size of an entry, and their number.
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
 * @throws {Error} If one is truncated, perhaps because the disk was full when it was written.
 */
export function checkNativeFiles(paths: readonly string[]): void {
  for (const path of paths) {
    if (isTruncated(path)) throw new Error(`${path} is truncated`);
  }
}

/**
 * The error of opening as many files as loading a package does. The loader itself reports only that a file
 * could not be loaded, not that the system's limit of open files was reached.
 *
 * @param path A file that can be read.
 * @returns The system's error; undefined if the files can be opened.
 */
export function openFilesError(path: string): unknown {
  const opened: Deno.FsFile[] = [];
  try {
    // Loading a package opens at most four files at once: one for each thread that reads.
    while (opened.length < 4) opened.push(Deno.openSync(path));
    return undefined;
  } catch (error) {
    return ["EMFILE", "ENFILE"].includes((error as { code?: string }).code!) ? error : undefined;
  } finally {
    opened.forEach((file) => file.close());
  }
}

let claimedBy: DeviceName | undefined;

/**
 * Reserves this process for a device whose native code contains a compiler: libtensorflow, its GPU build,
 * or the drivers of GPUs. Loading two of them in one process crashes it silently.
 *
 * @returns A function that gives the process back, if nothing was loaded.
 * @throws {UserError} If another such device was opened before.
 */
export function claimProcess(device: DeviceName): () => void {
  if (claimedBy !== undefined && claimedBy !== device) {
    throw new UserError(
      `The ${device} device cannot be opened in a process that has opened ${claimedBy}.`,
    );
  }
  claimedBy = device;
  return () => {
    claimedBy = undefined;
  };
}
