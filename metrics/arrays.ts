/** Helpers for arrays of numbers. */

/** The index, relative to `start`, of the largest of `count` numbers; of equal ones the first. */
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
 * Evenly spaced indices of a list in rising order: the middles of equal parts, or all indices of a shorter
 * list. If the list is sorted by class, the indices keep the shares of classes.
 */
export function evenIndices(total: number, count: number): Uint32Array {
  const length = Math.min(count, total);
  return Uint32Array.from({ length }, (_, i) => Math.floor((i + 0.5) * total / length));
}

/**
 * Inserts a number into a sorted list of the smallest numbers and drops the largest.
 *
 * @param smallest In rising order; changed. Unused entries are Infinity. Equal numbers keep their order.
 * @returns The index of the number, or -1 if it is NaN or not smaller than any entry.
 */
export function insertSorted(smallest: Float64Array, value: number): number {
  const at = smallest.findIndex((kept) => value < kept);
  if (at < 0) return -1;
  smallest.copyWithin(at + 1, at);
  smallest[at] = value;
  return at;
}

/** The area under straight lines between points in the order of rising x, by trapezoids. */
export function areaUnder(points: readonly (readonly [x: number, y: number])[]): number {
  return points.slice(1).reduce((sum, [x, y], i) => {
    const [xBefore, yBefore] = points[i]!;
    return sum + (x - xBefore) * (y + yBefore) / 2;
  }, 0);
}

/** The median of some numbers, at least one: of an even number of them, the mean of the middle two. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}
