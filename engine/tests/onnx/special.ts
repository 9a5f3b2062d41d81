/** Numbers for which kernels are likely to be wrong. */

/** NaN, infinity, both zeros, halves, and large and small numbers. */
export const SPECIAL: readonly number[] = [
  NaN,
  Infinity,
  -Infinity,
  -0,
  0,
  0.5,
  1.5,
  2.5,
  -0.5,
  -1.5,
  1e30,
  -1e30,
  3e9,
  -3e9,
  1,
  -1,
  2,
  -2,
  100,
  -100,
  0.3,
];

/** All pairs of numbers: their first and their second elements. */
export function pairsOf(numbers: readonly number[]): [number[], number[]] {
  return [
    numbers.flatMap((a) => numbers.map(() => a)),
    numbers.flatMap(() => numbers),
  ];
}
