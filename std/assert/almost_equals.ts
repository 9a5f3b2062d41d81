import { sentence } from "./_message.ts";
import { AssertionError } from "./assertion_error.ts";

/**
 * Asserts that two numbers differ by `tolerance` at most.
 *
 * @param tolerance An absolute difference. By default 1e-7 of `expected`'s size.
 * @throws {AssertionError} When they differ by more, or one alone is NaN.
 */
export function assertAlmostEquals(
  actual: number,
  expected: number,
  tolerance?: number,
  msg?: string,
): void {
  if (Object.is(actual, expected)) return;
  const delta = Math.abs(expected - actual);
  const allowed = tolerance ??
    (Number.isFinite(expected) ? Math.abs(expected * 1e-7) : 1e-7);
  if (delta <= allowed) return;
  const show = (n: number) => `"${Number.isInteger(n) ? n : n.toExponential()}"`;
  throw new AssertionError(
    sentence(
      `Expected actual: ${show(actual)} to be close to ${show(expected)}: ` +
        `delta ${show(delta)} is greater than ${show(allowed)}`,
      msg,
    ),
  );
}
