/** One run in a folder at a time. */
import { UserError } from "../base/errors.ts";
import { fileError } from "../base/file_errors.ts";

/** The name of the lock's file in a run's folder. It stays there; only the lock on it counts. */
export const LOCK_NAME = "run.lock";

/** A run's claim on its folder. */
export interface RunLock extends Disposable {
  /** Whether the file system has locks. Without them, two runs in one folder go unnoticed. */
  readonly supported: boolean;
}

/**
 * Claims a run's folder for this process, by the operating system's lock on a file. The system lets go
 * of it when the process ends, however it ends, so no stale lock is ever left to be taken over, and no
 * process number, which another program may have by then, needs to be believed.
 *
 * @param directory The run's folder, which must exist.
 * @throws {UserError} If another run holds the lock (with its process number), or the folder cannot be
 * written.
 */
export async function lockRun(directory: string): Promise<RunLock> {
  const path = `${directory}/${LOCK_NAME}`;
  let file: Deno.FsFile;
  try {
    file = await Deno.open(path, { create: true, read: true, write: true });
  } catch (error) {
    throw fileError(error, `write ${path}`);
  }
  let locked = false;
  try {
    locked = await file.tryLock(true);
  } catch {
    // Some network file systems have no locks.
    return { supported: false, [Symbol.dispose]: () => file.close() };
  }
  if (!locked) {
    file.close();
    const owner = await Deno.readTextFile(path).catch(() => "");
    const pid = /^\d{1,10}$/m.exec(owner)?.[0];
    throw new UserError(
      `another run${pid === undefined ? "" : ` (process ${pid})`} is writing ${directory}: wait ` +
        "until it ends, or choose another folder with --out",
    );
  }
  try {
    await file.truncate();
    await file.write(new TextEncoder().encode(`${Deno.pid}\n`));
  } catch (error) {
    file.close();
    throw fileError(error, `write ${path}`);
  }
  return { supported: true, [Symbol.dispose]: () => file.close() };
}
