/** What image.ts and text.ts have in common: how a program ends. */
import { EXIT, UserError } from "../base/errors.ts";
import { printable } from "../base/quote.ts";
import { leaveOnInterrupt } from "./interrupt.ts";

/**
 * Runs a program and leaves with its exit code. Messages of errors that are made for people are
 * printed on one line; so are those of others, which are our own mistakes. Ctrl-C ends the program with a line as well.
 *
 * @param main Gives the exit code.
 */
export async function runProgram(main: () => Promise<number>): Promise<never> {
  leaveOnInterrupt();
  let code: number;
  try {
    code = await main();
  } catch (error) {
    code = error instanceof UserError ? error.exitCode : EXIT.failed;
    console.error(`error: ${describe(error)}`);
  }
  Deno.exit(code);
}

function describe(error: unknown): string {
  if (error instanceof UserError) return oneLine(error.message);
  if (error instanceof Deno.errors.NotCapable) {
    return `${oneLine(error.message)}. Run it as a deno task, which grants what is needed.`;
  }
  if (error instanceof RangeError && /allocation|memory|array length/i.test(error.message)) {
    return `out of memory (${oneLine(error.message)}): use a smaller --batch-size or preset.`;
  }
  const message = error instanceof Error ? error.message : String(error);
  return `${oneLine(message)} (this is a mistake in the program: please report it)`;
}

/** Line breaks would make one error look like several; other control characters could hide it. */
function oneLine(message: string): string {
  return printable(message.replaceAll(/\s*\n\s*/g, " ").trim());
}
