/** Checks of arguments, with error messages for users. */
import { usageError, type UserError } from "./errors.ts";
import { quote } from "./quote.ts";

function refused(name: string, value: unknown, allowed: string): UserError {
  const given = typeof value === "number" ? String(value) : quote(value); // JSON has no NaN
  return usageError(`${name} is ${given}; it must be ${allowed}`);
}

/**
 * Returns `value` if it is an integer in [low, high].
 *
 * @throws {UserError} If it is not. The message names the argument and the range, as those of the functions
 * below.
 */
export function requireInteger(name: string, value: number, low: number, high = Infinity): number {
  if (Number.isInteger(value) && value >= low && value <= high) return value;
  const range = high === Infinity ? `of at least ${low}` : `from ${low} to ${high}`;
  throw refused(name, value, `an integer ${range}`);
}

/** Returns `value` if it is a number in [low, high]. @throws {UserError} If it is not. */
export function requireNumber(name: string, value: number, low: number, high = Infinity): number {
  if (Number.isFinite(value) && value >= low && value <= high) return value;
  throw refused(name, value, high === Infinity ? `at least ${low}` : `from ${low} to ${high}`);
}

/** Returns `value` if it is one of `allowed`. @throws {UserError} If it is not. */
export function requireOneOf<T extends string>(
  name: string,
  value: string,
  allowed: readonly T[],
): T {
  const found = allowed.find((candidate) => candidate === value);
  if (found === undefined) throw refused(name, value, `one of ${allowed.join(", ")}`);
  return found;
}
