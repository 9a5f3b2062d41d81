import { AssertionError as NodeAssertionError } from "node:assert";
import { inspect } from "node:util";

/** Beyond this many lines a line-by-line difference costs more time than it saves a reader. */
const MAX_DIFF_LINES = 2000;

/** A sentence with the caller's own message behind it, if there is one. */
export function sentence(text: string, msg?: string): string {
  return msg ? `${text}: ${msg}` : `${text}.`;
}

/** A value as a person would write it down, whole. */
export function format(value: unknown): string {
  return inspect(value, {
    depth: Infinity,
    maxArrayLength: Infinity,
    sorted: true,
  });
}

/** The lines in which two values differ. */
export function difference(actual: unknown, expected: unknown): string {
  const lines = Math.max(
    ...[actual, expected].map((value) => format(value).split("\n").length),
  );
  if (lines > MAX_DIFF_LINES) {
    return `    actual: ${inspect(actual)}\n    expected: ${inspect(expected)}`;
  }
  const { message } = new NodeAssertionError({
    actual,
    expected,
    operator: "deepStrictEqual",
  });
  return message.slice(message.indexOf("\n") + 1).trimEnd(); // its first line says what ours says
}
