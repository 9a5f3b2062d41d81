/** Locks between processes, by the operating system's locks on files. */
import { UserError } from "./errors.ts";
import { quote } from "./quote.ts";

/** A lock that this process holds until it is disposed. */
export interface FileLock extends Disposable {
  /** Whether the file system has locks. If not, other processes may hold this one, too. */
  readonly supported: boolean;
}

/** The process that holds a lock, and when it took the lock. */
export interface LockOwner {
  readonly pid: number;
  readonly since: string;
}

/**
 * Takes the lock on a file, and writes this process into the file for others to see. The system releases
 * the lock when the process ends in any way, so a file that a killed process left behind is simply locked
 * again. The file stays when the lock is released, since removing it could break the next owner's lock.
 *
 * @param path The lock's file; its folder must exist.
 * @param now The time in milliseconds since 1970.
 * @returns Undefined if another process holds the lock. Errors in writing the file are Deno's own.
 */
export async function tryFileLock(
  path: string,
  now: number = Date.now(),
): Promise<FileLock | undefined> {
  using opening = new DisposableStack(); // closes the file unless the lock is taken
  const file = opening.use(await Deno.open(path, { create: true, read: true, write: true }));
  let supported = true;
  try {
    if (!(await file.tryLock(true))) return undefined;
  } catch {
    supported = false; // as on some network file systems
  }
  if (supported) {
    const owner: LockOwner = { pid: Deno.pid, since: new Date(now).toISOString() };
    await file.truncate();
    await file.write(new TextEncoder().encode(`${JSON.stringify(owner)}\n`));
  }
  const held = opening.move();
  return { supported, [Symbol.dispose]: () => held.dispose() };
}

/**
 * The process that holds a lock, or held it last. Undefined if the file names none, or cannot be read: on
 * Windows, other processes cannot read a locked file.
 */
export async function readLockOwner(path: string): Promise<LockOwner | undefined> {
  try {
    const { pid, since } = JSON.parse(await Deno.readTextFile(path));
    return Number.isSafeInteger(pid) ? { pid, since: String(since) } : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Runs `action` while it holds the lock on a file: see {@linkcode tryFileLock}.
 *
 * @throws {UserError} If another process holds the lock for longer than `maxWait`, or the file system has
 * no locks. Errors in writing the file are Deno's own.
 */
export async function withFileLock<T>(
  path: string,
  action: () => Promise<T>,
  { log, sleep, now, maxWait = 1_200_000, interval = 250 }: {
    /** Receives one line about the process that this one waits for. */
    readonly log?: ((line: string) => void) | undefined;
    readonly sleep: (milliseconds: number) => Promise<void>;
    /** The time in milliseconds since 1970. */
    readonly now: () => number;
    /** Milliseconds to wait for another process before giving up. */
    readonly maxWait?: number | undefined;
    /** Milliseconds between two tries. */
    readonly interval?: number | undefined;
  },
): Promise<T> {
  const describeOwner = async () => {
    const owner = await readLockOwner(path);
    return owner === undefined
      ? "another process"
      : `process ${owner.pid} (since ${quote(owner.since)})`;
  };
  const start = now();
  for (let isFirst = true;; isFirst = false) {
    using lock = await tryFileLock(path, now());
    if (lock?.supported === false) {
      throw new UserError(`${path}: this file system has no locks; choose a folder on another one`);
    }
    if (lock !== undefined) return await action();
    const waited = now() - start;
    if (waited >= maxWait) {
      throw new UserError(
        `${path}: ${await describeOwner()} has held the lock for more than ` +
          `${Math.round(maxWait / 1000)} s; wait until it is done, or end it, and try again`,
      );
    }
    if (isFirst) log?.(`waiting for ${await describeOwner()}, which holds ${path}`);
    await sleep(Math.min(interval, maxWait - waited));
  }
}
