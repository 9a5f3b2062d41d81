/** Errors that the user can fix, and exit codes. */

/** Exit codes of the programs. */
export const EXIT = {
  /** The program succeeded. */
  done: 0,
  /** Something failed. The message says what. */
  failed: 1,
  /** The command line is wrong. */
  usage: 2,
  /** The user interrupted the program. It saved its work first. */
  interrupted: 130,
} as const;

/**
 * An error that the user can fix. Its message is one line that says what is wrong, where, and what to do.
 * The programs print the message without a stack trace, and exit with {@linkcode exitCode}.
 */
export class UserError extends Error {
  /** The name of the class, which precedes the message in a stack trace. */
  override readonly name = "UserError";
  /** The program's exit code. */
  readonly exitCode: number;

  /**
   * Makes an error.
   *
   * @param message One line: what is wrong, where, and what to do.
   * @param options The exit code, {@linkcode EXIT.failed} by default, and the error that caused this one.
   */
  constructor(
    message: string,
    options: { exitCode?: number | undefined; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.exitCode = options.exitCode ?? EXIT.failed;
  }
}

/**
 * Runs a check of values that were read from a file, and adds the file's name to the message of its error.
 *
 * @param source The file, such as its path.
 * @throws {UserError} If the check does, with `source` and a colon before the message.
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
