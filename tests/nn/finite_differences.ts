/** Numerical gradients. */

/**
 * The gradient of a function in double precision by central differences, whose error is of the order
 * of step^2, about 1e-10 for the smooth functions of these tests.
 *
 * @param fn Must not change its argument.
 */
export function numericalGradient(
  fn: (x: Float64Array) => number,
  at: ArrayLike<number>,
  step = 1e-5,
): Float64Array {
  const x = Float64Array.from(at);
  return x.map((value, i) => {
    const moved = (by: number) => fn(x.with(i, value + by));
    return (moved(step) - moved(-step)) / (2 * step);
  });
}

/** The sum of products of two lists of numbers. */
export function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}
