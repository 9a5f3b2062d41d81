import { format, sentence } from "./_message.ts";
import { AssertionError } from "./assertion_error.ts";
import { equal } from "./equal.ts";

/** An array, a typed array or the like, but not a string. */
export type ArrayLikeArg<T> = ArrayLike<T> & object;

/**
 * Asserts that every element of `expected` equals, in depth, some element of `actual`.
 *
 * @throws {AssertionError} Naming the elements that are missing.
 */
export function assertArrayIncludes<T>(
  actual: ArrayLikeArg<T>,
  expected: ArrayLikeArg<T>,
  msg?: string,
): void {
  const there = Array.from(actual);
  const missing = Array.from(expected).filter((item) => !there.some((other) => equal(item, other)));
  if (missing.length === 0) return;
  const text = `Expected actual: "${format(actual)}" to include: "${format(expected)}"`;
  throw new AssertionError(`${sentence(text, msg)}\nmissing: ${format(missing)}`);
}

/**
 * Asserts that a text contains another.
 *
 * @throws {AssertionError} When it does not.
 */
export function assertStringIncludes(
  actual: string,
  expected: string,
  msg?: string,
): void {
  if (actual.includes(expected)) return;
  throw new AssertionError(sentence(`Expected actual: "${actual}" to contain: "${expected}"`, msg));
}

/**
 * Asserts that a text matches a regular expression.
 *
 * @throws {AssertionError} When it does not.
 */
export function assertMatch(
  actual: string,
  expected: RegExp,
  msg?: string,
): void {
  if (expected.test(actual)) return;
  throw new AssertionError(sentence(`Expected actual: "${actual}" to match: "${expected}"`, msg));
}

/**
 * Asserts that a text does not match a regular expression.
 *
 * @throws {AssertionError} When it does.
 */
export function assertNotMatch(
  actual: string,
  expected: RegExp,
  msg?: string,
): void {
  if (!expected.test(actual)) return;
  throw new AssertionError(
    sentence(`Expected actual: "${actual}" to not match: "${expected}"`, msg),
  );
}
