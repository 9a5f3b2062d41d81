/** Converts between pixels, 0 to 255, and the models' range, [-1, 1]. */

/** Converts pixels, 0 to 255, to the models' range [-1, 1]: x / 127.5 - 1. */
export function toModelRange(pixels: Uint8Array): Float32Array<ArrayBuffer> {
  const values = new Float32Array(pixels.length);
  for (let i = 0; i < pixels.length; i++) values[i] = pixels[i]! / 127.5 - 1;
  return values;
}

/**
 * The inverse of {@linkcode toModelRange}: rounds to the nearest pixel (halves up) and clamps values
 * outside [-1, 1].
 *
 * @throws {RangeError} If a value is NaN.
 */
export function toPixels(values: ArrayLike<number>): Uint8Array<ArrayBuffer> {
  const pixels = new Uint8Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const pixel = Math.round((values[i]! + 1) * 127.5);
    if (Number.isNaN(pixel)) throw new RangeError(`value ${i} of ${values.length} is NaN`);
    pixels[i] = Math.max(0, Math.min(255, pixel));
  }
  return pixels;
}
