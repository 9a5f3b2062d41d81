/** The position, counted from `start`, of the largest of `count` numbers; the first of equals. */
export function argMax(
  values: ArrayLike<number>,
  start = 0,
  count = values.length - start,
): number {
  let best = 0;
  for (let i = 1; i < count; i++) if (values[start + i]! > values[start + best]!) best = i;
  return best;
}

/**
 * Positions from the middles of equal parts of a list, so that one in the order of its classes keeps
 * their shares.
 *
 * @param total The list's length.
 * @param count How many; all of them if there are no more.
 * @returns Rising, [min(count, total)].
 */
export function evenIndices(total: number, count: number): Uint32Array {
  const length = Math.min(count, total);
  return Uint32Array.from({ length }, (_, i) => Math.floor((i + 0.5) * total / length));
}

/**
 * Puts a number where it belongs among the smallest, if it does; the largest of them drops out.
 *
 * @param smallest In rising order, changed; Infinity where there is none yet. Of equal numbers the first
 * stays in front.
 * @returns Its place, or -1 if it is none of the smallest, as is NaN.
 */
export function insertSorted(smallest: Float64Array, value: number): number {
  const at = smallest.findIndex((kept) => value < kept);
  if (at < 0) return -1;
  smallest.copyWithin(at + 1, at);
  smallest[at] = value;
  return at;
}
