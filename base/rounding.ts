/**
 * Rounds to the nearest integer, halves to the even one, as numpy and Python do: 0.5 to 0, 1.5 to 2,
 * 2.5 to 2. Math.round takes halves up, which would shift some timesteps by one.
 */
export function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}
