import { AssertionError } from "@std/assert";

/**
 * Asserts that two lists of numbers agree: |actual - expected| <= atol + rtol * |expected| everywhere,
 * as numpy's allclose. NaN agrees with NaN alone. Names the worst element when they do not.
 */
export function assertAllClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  { atol = 1e-6, rtol = 1e-5, message = "" }: { atol?: number; rtol?: number; message?: string } =
    {},
): void {
  const prefix = message === "" ? "" : `${message}: `;
  if (actual.length !== expected.length) {
    throw new AssertionError(`${prefix}${actual.length} numbers, expected ${expected.length}`);
  }
  let worst = -1;
  let excess = 0;
  for (let i = 0; i < expected.length; i++) {
    const [a, e] = [actual[i]!, expected[i]!];
    if (a === e || (Number.isNaN(a) && Number.isNaN(e))) continue;
    const over = Math.abs(a - e) - (atol + rtol * Math.abs(e));
    if (!(over <= excess)) { // written so that a NaN counts as worst
      worst = i;
      if (Number.isNaN(over)) break;
      excess = over;
    }
  }
  if (worst >= 0) {
    throw new AssertionError(
      `${prefix}element ${worst} of ${expected.length} is ${actual[worst]}, expected ` +
        `${expected[worst]} (atol ${atol}, rtol ${rtol})`,
    );
  }
}
