/** Images as sequences of patches, with their positions (Dosovitskiy et al. 2021, arXiv:2010.11929). */
import * as tf from "../../engine/tf.ts";

/**
 * Cuts images into patches.
 *
 * @param x [B, S, S, C]
 * @param size Side of a patch; it divides S.
 * @returns [B, (S / size)^2, size * size * C]: patches row by row, the pixels of each row by row.
 */
export function patchify(x: tf.Tensor4D, size: number): tf.Tensor3D {
  const [batch, side, , channels] = x.shape;
  const count = side / size;
  const rows = tf.reshape(x, [batch, count, size, count, size * channels]);
  const patches = tf.transpose(rows, [0, 1, 3, 2, 4]); // [B, row, column, row of pixels, rest]
  return tf.reshape(patches, [batch, count * count, size * size * channels]);
}

/** The inverse of {@linkcode patchify}: [B, n^2, size * size * C] to [B, n * size, n * size, C]. */
export function unpatchify(x: tf.Tensor3D, size: number): tf.Tensor4D {
  const [batch, patches, features] = x.shape;
  const count = Math.sqrt(patches);
  const channels = features / size ** 2;
  const rows = tf.reshape(x, [batch, count, count, size, size * channels]);
  const pixels = tf.transpose(rows, [0, 1, 3, 2, 4]); // [B, row, row of pixels, column, rest]
  return tf.reshape(pixels, [batch, count * size, count * size, channels]);
}

/** The longest wavelength is 2 pi times this. */
const MAX_PERIOD = 10000;

/**
 * Sinusoidal embeddings of positions in a square grid (Peebles and Xie 2023, section 3.2; He et al. 2022,
 * arXiv:2111.06377). The first half of the features is of the column, the second of the row; sines come
 * before cosines in each half.
 *
 * @param side The number of patches per row.
 * @param width The number of features, a multiple of 4.
 * @returns [side * side, width], row by row.
 */
export function patchPositions(side: number, width: number): Float32Array {
  const quarter = width / 4;
  const positions = new Float32Array(side * side * width);
  const setWaves = (position: number, at: number) => {
    for (let i = 0; i < quarter; i++) {
      const angle = position / MAX_PERIOD ** (i / quarter);
      positions[at + i] = Math.sin(angle);
      positions[at + quarter + i] = Math.cos(angle);
    }
  };
  for (let row = 0; row < side; row++) {
    for (let column = 0; column < side; column++) {
      const at = (row * side + column) * width;
      setWaves(column, at);
      setWaves(row, at + width / 2);
    }
  }
  return positions;
}
