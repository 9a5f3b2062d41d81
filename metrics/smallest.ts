/** The smallest of many numbers, kept while they go by. */

/**
 * Puts a number where it belongs among the smallest, if it does; the largest of them drops out.
 *
 * @param smallest In rising order, changed; Infinity where there is none yet. Of equal numbers the first
 * stays in front.
 * @returns Its place, or -1 if it is none of the smallest, as is NaN.
 */
export function keepSmallest(smallest: Float64Array, value: number): number {
  const at = smallest.findIndex((kept) => value < kept);
  if (at < 0) return -1;
  smallest.copyWithin(at + 1, at);
  smallest[at] = value;
  return at;
}
