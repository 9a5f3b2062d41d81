/** One run in a folder at a time. */
import { UserError } from "../base/errors.ts";
import { fileError } from "../base/file_errors.ts";
import { type FileLock, readLockOwner, tryFileLock } from "../base/file_lock.ts";

/** The name of the lock's file in a run's folder. It stays there; only the lock on it counts. */
export const LOCK_NAME = "run.lock";

/**
 * Claims a run's folder for this process: see {@linkcode tryFileLock}. If the file system has no locks,
 * two runs in one folder go unnoticed.
 *
 * @param directory The run's folder, which must exist.
 * @throws {UserError} If another run holds the lock (with its process number), or the folder cannot be
 * written.
 */
export async function lockRun(directory: string): Promise<FileLock> {
  const path = `${directory}/${LOCK_NAME}`;
  const lock = await tryFileLock(path).catch((error) => {
    throw fileError(error, `write ${path}`);
  });
  if (lock !== undefined) return lock;
  const owner = await readLockOwner(path);
  throw new UserError(
    `another run${owner === undefined ? "" : ` (process ${owner.pid})`} is writing ${directory}: ` +
      "wait until it ends, or choose another folder with --out",
  );
}
