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
