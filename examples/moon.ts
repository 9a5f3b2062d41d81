/** Two half circles, as data. */

/** The point at u in [0, 1) of one of the half circles, whose radius is 1. */
export function moon(u: number, side: number): [number, number] {
  const angle = Math.PI * (u + (1 - side) / 2);
  return [Math.cos(angle) - 0.5 * side, Math.sin(angle) - 0.25 * side];
}
