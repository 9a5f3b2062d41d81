/** What can go wrong in a way that the person at the keyboard can mend. */

/** Exit codes of the programs: 0 done, 1 failed, 2 bad usage, 130 interrupted. */
export const EXIT = {
  /** All went well. */
  done: 0,
  /** Something failed; the message says what. */
  failed: 1,
  /** The command line is wrong. */
  usage: 2,
  /** The user interrupted the program, which saved its work. */
  interrupted: 130,
} as const;

/**
 * An error whose message is written for people: what was wrong, where, and what to do about it.
 * The programs print it on one line without a stack trace and leave with {@linkcode exitCode}.
 */
export class UserError extends Error {
  /** What stands before the message where an error is printed whole. */
  override readonly name = "UserError";
  /** The exit code that the program leaves with. */
  readonly exitCode: number;

  /**
   * Makes an error for people.
   *
   * @param message One line: what, where, what to do.
   * @param options `exitCode` ({@linkcode EXIT.failed} by default) and the `cause`, if any.
   */
  constructor(message: string, options: { exitCode?: number; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.exitCode = options.exitCode ?? EXIT.failed;
  }
}

/**
 * Runs a check that knows nothing of files, and puts the name of the file that its values are from before
 * its message.
 */
export function inFile<T>(source: string, check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new UserError(`${source}: ${error.message}`, { cause: error });
  }
}

/** A {@linkcode UserError} about a flag or an argument, leaving with exit code 2. */
export function usageError(message: string): UserError {
  return new UserError(message, { exitCode: EXIT.usage });
}
