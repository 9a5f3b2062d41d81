/** What the operating system says about files, in words for the person at the keyboard. */
import { UserError } from "./errors.ts";

/** Advice by the system's error code. */
const ADVICE: Readonly<Record<string, string>> = {
  ENOSPC:
    "the disk is full: free some space on it, such as runs that are done with (runs/) or downloads " +
    "(.cache/), and run the command again; what was saved is kept",
  EDQUOT: "your disk quota is used up: free some space and run the command again",
  EFBIG:
    "the file would be larger than the file system or a limit of yours allows: choose another folder, " +
    "or raise the limit (ulimit -f)",
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
  EIO: "the disk reported an error: check its health before you go on",
};

/** The system's code of an error. Deno has no name for 27, which Linux and macOS call EFBIG. */
function codeOf(error: unknown): string {
  const { code, message } = (error ?? {}) as { code?: string; message?: string };
  const tooLarge = Deno.build.os !== "windows" && message?.includes("(os error 27)");
  return code ?? (tooLarge ? "EFBIG" : "");
}

/**
 * Turns a failed file operation into a {@linkcode UserError} that says what to do. An error that is
 * one already is returned as it is, so the innermost description is the one that is shown.
 *
 * @param error What was thrown.
 * @param action What was being done, with the path: "write runs/a/config.json".
 */
export function fileError(error: unknown, action: string): UserError {
  if (error instanceof UserError) return error;
  const advice = error instanceof Deno.errors.NotCapable
    ? `Deno holds no permission for it (${error.message.split(",")[0]}): use a deno task, or add ` +
      "the folder to the permissions"
    : ADVICE[codeOf(error)] ??
      (error instanceof Error ? error.message : String(error));
  return new UserError(`cannot ${action}: ${advice}`, { cause: error });
}
