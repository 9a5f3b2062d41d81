/** Numbers that kernels are likely to get wrong. */

/** NaN, infinity, both zeros, halves between even and odd, large and small. */
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

/** Every number with every number: the first of each pair, and the second. */
export function pairsOf(numbers: readonly number[]): [number[], number[]] {
  return [
    numbers.flatMap((a) => numbers.map(() => a)),
    numbers.flatMap(() => numbers),
  ];
}
