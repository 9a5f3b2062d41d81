/** Smooths and thins lines with many points. */

/**
 * The mean over a window around each value. At the start, where losses fall fast, the window stays
 * symmetric and is smaller. At the end, where they change little, only its right side is cut. Values that
 * are not finite are not averaged, and stay in the result.
 */
export function movingAverage(values: ArrayLike<number>, window: number): Float64Array {
  const sums = new Float64Array(values.length + 1);
  const counts = new Uint32Array(values.length + 1);
  for (let i = 0; i < values.length; i++) {
    const finite = Number.isFinite(values[i]);
    sums[i + 1] = sums[i]! + (finite ? values[i]! : 0);
    counts[i + 1] = counts[i]! + (finite ? 1 : 0);
  }
  const half = Math.floor(window / 2);
  return Float64Array.from(values, (value, i) => {
    if (!Number.isFinite(value)) return value;
    const reach = Math.min(half, i);
    const [from, to] = [i - reach, Math.min(i + reach + 1, values.length)];
    return (sums[to]! - sums[from]!) / (counts[to]! - counts[from]!);
  });
}

/**
 * Drops points that cannot be seen: of those in one column of pixels, the first, lowest, highest and last
 * remain, and gaps (NaN). Positions are ascending.
 */
export function thin(
  points: readonly (readonly [number, number])[],
  column: (x: number) => number,
): (readonly [number, number])[] {
  const kept: (readonly [number, number])[] = [];
  for (let start = 0; start < points.length;) {
    const here = Math.round(column(points[start]![0]));
    const gap = Number.isNaN(points[start]![1]);
    let [end, low, high] = [start + 1, start, start];
    while (
      end < points.length && Math.round(column(points[end]![0])) === here &&
      Number.isNaN(points[end]![1]) === gap
    ) {
      if (points[end]![1] < points[low]![1]) low = end;
      if (points[end]![1] > points[high]![1]) high = end;
      end++;
    }
    const chosen = [...new Set([start, low, high, end - 1])].sort((a, b) => a - b);
    for (const i of gap ? [start] : chosen) kept.push(points[i]!);
    start = end;
  }
  return kept;
}
