/** Where patches are. */

/** The longest wavelength is 2 pi times this. */
const MAX_PERIOD = 10000;

/**
 * Sines and cosines of the places of patches in a square grid (Peebles and Xie 2023, section 3.2; He et
 * al. 2022, arXiv:2111.06377). The first half of the features is the column's, the second the row's,
 * sines before cosines in each.
 *
 * @param side Patches in a row.
 * @param width Features, a multiple of 4.
 * @returns [side * side, width], row by row.
 */
export function patchPositions(side: number, width: number): Float32Array {
  const quarter = width / 4;
  const positions = new Float32Array(side * side * width);
  const waves = (place: number, at: number) => {
    for (let i = 0; i < quarter; i++) {
      const angle = place / MAX_PERIOD ** (i / quarter);
      positions[at + i] = Math.sin(angle);
      positions[at + quarter + i] = Math.cos(angle);
    }
  };
  for (let row = 0; row < side; row++) {
    for (let column = 0; column < side; column++) {
      const at = (row * side + column) * width;
      waves(column, at);
      waves(row, at + width / 2);
    }
  }
  return positions;
}
