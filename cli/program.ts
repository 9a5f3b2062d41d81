/** How image.ts and text.ts end: exit codes, error messages of one line, Ctrl-C. */
import { EXIT, UserError } from "../base/errors.ts";
import { printable } from "../base/quote.ts";
import { leaveOnInterrupt } from "./interrupt.ts";

/** Runs a program's main function and exits with its exit code: see {@linkcode exitCode}. */
export async function runProgram(main: () => Promise<number>): Promise<never> {
  leaveOnInterrupt();
  Deno.exit(await exitCode(main));
}

/**
 * Runs a main function. An error is printed on one line: the message of a UserError, or of another error,
 * which is a bug.
 */
export async function exitCode(main: () => Promise<number>): Promise<number> {
  try {
    return await main();
  } catch (error) {
    console.error(`error: ${describe(error)}`);
    return error instanceof UserError ? error.exitCode : EXIT.failed;
  }
}

function describe(error: unknown): string {
  if (error instanceof UserError) return oneLine(error.message);
  if (error instanceof Deno.errors.NotCapable) {
    return `${oneLine(error.message)}. Run it as a deno task, which grants the permissions.`;
  }
  if (error instanceof RangeError && /allocation|memory|array length/i.test(error.message)) {
    return `out of memory (${oneLine(error.message)}): use a smaller --batch-size or preset.`;
  }
  const message = error instanceof Error ? error.message : String(error);
  return `${oneLine(message)} (this is a bug in the program: please report it)`;
}

/** A message without line feeds and other control characters. */
function oneLine(message: string): string {
  return printable(message.replaceAll(/\s*\n\s*/g, " ").trim());
}
