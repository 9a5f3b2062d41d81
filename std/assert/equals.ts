import { difference, format, sentence } from "./_message.ts";
import { AssertionError } from "./assertion_error.ts";
import { equal } from "./equal.ts";

/**
 * Asserts that two values are equal in depth, as {@linkcode equal} says.
 *
 * @throws {AssertionError} With the lines in which they differ.
 */
export function assertEquals<T>(actual: T, expected: T, msg?: string): void {
  if (equal(actual, expected)) return;
  throw new AssertionError(
    `${sentence("Values are not equal", msg)}\n${difference(actual, expected)}`,
  );
}

/**
 * Asserts that two values are not equal in depth, as {@linkcode equal} says.
 *
 * @throws {AssertionError} When they are.
 */
export function assertNotEquals<T>(actual: T, expected: T, msg?: string): void {
  if (!equal(actual, expected)) return;
  throw new AssertionError(
    sentence(
      `Expected actual: ${format(actual)} not to be: ${format(expected)}`,
      msg,
    ),
  );
}

/**
 * Asserts that two values are one and the same, as `Object.is` says: 0 is not -0, NaN is NaN.
 *
 * @throws {AssertionError} With the lines in which they differ.
 */
export function assertStrictEquals<T>(
  actual: unknown,
  expected: T,
  msg?: string,
): asserts actual is T {
  if (Object.is(actual, expected)) return;
  const text = format(actual);
  throw new AssertionError(
    text === format(expected)
      ? `${
        sentence(
          "Values have the same structure but are not reference-equal",
          msg,
        )
      }\n\n${text}\n`
      : `${sentence("Values are not strictly equal", msg)}\n${difference(actual, expected)}`,
  );
}

/**
 * Asserts that two values are not one and the same, as `Object.is` says.
 *
 * @throws {AssertionError} When they are.
 */
export function assertNotStrictEquals<T>(
  actual: T,
  expected: T,
  msg?: string,
): void {
  if (!Object.is(actual, expected)) return;
  throw new AssertionError(
    sentence('Expected "actual" to not be strictly equal to', msg) +
      ` ${format(actual)}\n`,
  );
}
