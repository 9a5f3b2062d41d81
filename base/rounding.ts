/**
 * Rounds to the nearest integer, and halves to the even one: 0.5 to 0, 1.5 to 2, 2.5 to 2. numpy and Python
 * round like this. Math.round rounds halves up, which would shift some timesteps by one.
 */
export function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}
