/** Errors that the user can fix, and exit codes. */

/** Exit codes of the programs. */
export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2, // the command line is wrong
  interrupted: 130, // by the user; work was saved first
} as const;

/**
 * An error that the user can fix. Its message is one line that says what is wrong, where, and what to do.
 * The programs print the message without a stack trace, and exit with {@linkcode exitCode}.
 */
export class UserError extends Error {
  /** The class, which precedes the message in a stack trace. */
  override readonly name = "UserError";
  /** The exit code of the programs. */
  readonly exitCode: number;

  /** By default the exit code is {@linkcode EXIT.failed}; `cause` is the error that caused this one. */
  constructor(
    message: string,
    options: { exitCode?: number | undefined; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.exitCode = options.exitCode ?? EXIT.failed;
  }
}

/**
 * Runs a check of values that were read from a file, and puts the file's name before the message of its
 * error.
 */
export function inFile<T>(source: string, check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new UserError(`${source}: ${error.message}`, { cause: error });
  }
}

/** A {@linkcode UserError} for a wrong flag or argument: the program exits with {@linkcode EXIT.usage}. */
export function usageError(message: string): UserError {
  return new UserError(message, { exitCode: EXIT.usage });
}
