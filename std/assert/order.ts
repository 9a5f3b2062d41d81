import { format } from "./_message.ts";
import { AssertionError } from "./assertion_error.ts";

function check(
  holds: boolean,
  actual: unknown,
  relation: string,
  expected: unknown,
  msg?: string,
) {
  if (holds) return;
  throw new AssertionError(msg ?? `Expect ${format(actual)} ${relation} ${format(expected)}`);
}

/**
 * Asserts that `actual` is greater than `expected`.
 *
 * @throws {AssertionError} When it is not.
 */
export function assertGreater<T>(actual: T, expected: T, msg?: string): void {
  check(actual > expected, actual, ">", expected, msg);
}

/**
 * Asserts that `actual` is greater than `expected` or equal to it.
 *
 * @throws {AssertionError} When it is not.
 */
export function assertGreaterOrEqual<T>(
  actual: T,
  expected: T,
  msg?: string,
): void {
  check(actual >= expected, actual, ">=", expected, msg);
}

/**
 * Asserts that `actual` is less than `expected`.
 *
 * @throws {AssertionError} When it is not.
 */
export function assertLess<T>(actual: T, expected: T, msg?: string): void {
  check(actual < expected, actual, "<", expected, msg);
}

/**
 * Asserts that `actual` is less than `expected` or equal to it.
 *
 * @throws {AssertionError} When it is not.
 */
export function assertLessOrEqual<T>(
  actual: T,
  expected: T,
  msg?: string,
): void {
  check(actual <= expected, actual, "<=", expected, msg);
}
