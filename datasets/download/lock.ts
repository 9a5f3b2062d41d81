/** One writer at a time, across processes. */
import { UserError } from "../../base/errors.ts";
import { quote } from "../../base/quote.ts";

/** Options of {@linkcode withLock}. */
export interface LockOptions {
  /** Told once whom this process waits for. */
  readonly log?: (line: string) => void;
  /** Waits some milliseconds. */
  readonly sleep: (milliseconds: number) => Promise<void>;
  /** The time in milliseconds. */
  readonly now: () => number;
  /** Milliseconds to wait for another owner before giving up. @default {1_200_000} */
  readonly maxWait?: number;
  /** Milliseconds between two looks. @default {250} */
  readonly interval?: number;
}

async function owner(path: string): Promise<string> {
  try {
    const { pid, since } = JSON.parse(await Deno.readTextFile(path));
    if (Number.isSafeInteger(pid)) return `process ${pid} (since ${quote(String(since))})`;
  } catch {
    // Not written yet, or on Windows, where no other process may read a locked file.
  }
  return "another process";
}

/**
 * Runs `action` while holding a lock file. The lock is the operating system's lock *on* the file, not
 * the file's existence: it ends with its owner, so a file left by a process that was killed is simply
 * taken over, and no clock or process table is asked whether the owner still lives. The file says who
 * the owner is, for those who wait.
 *
 * @param path The lock file; its folder must exist. The file stays when the lock is released, since
 * removing it could take it away from the next owner.
 * @param action What to do under the lock.
 * @throws {UserError} If another process holds the lock for longer than `maxWait`.
 */
export async function withLock<T>(
  path: string,
  action: () => Promise<T>,
  { log, sleep, now, maxWait = 1_200_000, interval = 250 }: LockOptions,
): Promise<T> {
  using file = await Deno.open(path, { read: true, write: true, create: true });
  const start = now();
  for (let told = false; !(await file.tryLock(true)); told = true) {
    const waited = now() - start;
    if (waited >= maxWait) {
      throw new UserError(
        `${path}: ${await owner(path)} has held the lock for more than ` +
          `${Math.round(maxWait / 1000)} s; wait until it is done, or end it, and try again`,
      );
    }
    if (!told) log?.(`waiting for ${await owner(path)}, which holds ${path}`);
    await sleep(Math.min(interval, maxWait - waited));
  }
  const entry = JSON.stringify({ pid: Deno.pid, since: new Date(now()).toISOString() });
  await file.truncate();
  await file.write(new TextEncoder().encode(entry));
  try {
    return await action();
  } finally {
    await file.unlock();
  }
}
