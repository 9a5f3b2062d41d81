/** Errors of the operating system about files, with advice for the user. */
import { UserError } from "./errors.ts";

const ADVICE: Readonly<Record<string, string>> = {
  ENOSPC:
    "the disk is full: free some space, such as runs that you no longer need (runs/) or downloads " +
    "(.cache/), and run the command again; what was saved is kept",
  EDQUOT: "your disk quota is used up: free some space and run the command again",
  EFBIG:
    "the file is larger than the file system or your limit allows: choose another folder, or raise the " +
    "limit (ulimit -f)",
  EROFS: "the file system is read-only: choose another folder",
  EMFILE: "too many files are open: raise the limit (ulimit -n) and run the command again",
  ENFILE: "too many files are open on this machine: close some programs and run the command again",
  ENOENT: "no such file or folder: check the path",
  EACCES: "access denied: check the owner and mode of the file and its folder, or choose another",
  EPERM: "access denied: check the owner and mode of the file and its folder, or choose another",
  ENOTDIR: "a part of the path is a file, not a folder: choose another path",
  EISDIR: "that is a folder, not a file: check the path",
  EEXIST: "that already exists and is not a folder: choose another path",
  ENAMETOOLONG: "the name is too long for the file system: choose a shorter one",
  EIO: "the disk reported an error: check the disk before you continue",
};

/** The system's error code. Deno has no name for 27, which is EFBIG on Linux and macOS. */
function codeOf(error: unknown): string {
  const { code, message } = (error ?? {}) as { code?: string; message?: string };
  const tooLarge = Deno.build.os !== "windows" && message?.includes("(os error 27)");
  return code ?? (tooLarge ? "EFBIG" : "");
}

/**
 * Turns the error of a file operation into a {@linkcode UserError} with advice. A `UserError` is returned
 * unchanged, so the innermost description is shown.
 *
 * @param error The value that was thrown.
 * @param action The operation with its path: "write runs/a/config.json".
 */
export function fileError(error: unknown, action: string): UserError {
  if (error instanceof UserError) return error;
  const advice = error instanceof Deno.errors.NotCapable
    ? `Deno has no permission for it (${error.message.split(",")[0]}): use a deno task, or add ` +
      "the folder to the permissions"
    : ADVICE[codeOf(error)] ??
      (error instanceof Error ? error.message : String(error));
  return new UserError(`cannot ${action}: ${advice}`, { cause: error });
}
