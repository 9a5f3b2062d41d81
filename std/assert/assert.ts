import { sentence } from "./_message.ts";
import { AssertionError } from "./assertion_error.ts";

/** What counts as false. */
export type Falsy = false | 0 | 0n | "" | null | undefined;

/**
 * Asserts that a value is truthy.
 *
 * @throws {AssertionError} With `msg` as its message.
 */
export function assert(expr: unknown, msg = ""): asserts expr {
  if (!expr) throw new AssertionError(msg);
}

/**
 * Asserts that a value is falsy.
 *
 * @throws {AssertionError} With `msg` as its message.
 */
export function assertFalse(expr: unknown, msg = ""): asserts expr is Falsy {
  if (expr) throw new AssertionError(msg);
}

/**
 * Asserts that a value is neither null nor undefined.
 *
 * @throws {AssertionError} When it is.
 */
export function assertExists<T>(
  actual: T,
  msg?: string,
): asserts actual is NonNullable<T> {
  if (actual !== undefined && actual !== null) return;
  throw new AssertionError(
    sentence(`Expected actual: "${actual}" to not be null or undefined`, msg),
  );
}

/**
 * Fails.
 *
 * @throws {AssertionError} Always.
 */
export function fail(msg?: string): never {
  throw new AssertionError(sentence("Failed assertion", msg));
}
