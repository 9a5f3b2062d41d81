/** A few of many, taken evenly. */

/**
 * Positions from the middles of equal parts of a list, so that one in the order of its classes keeps
 * their shares.
 *
 * @param total The list's length.
 * @param count How many; all of them if there are no more.
 * @returns Rising, [min(count, total)].
 */
export function spread(total: number, count: number): Uint32Array {
  const length = Math.min(count, total);
  return Uint32Array.from({ length }, (_, i) => Math.floor((i + 0.5) * total / length));
}
