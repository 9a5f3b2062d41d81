/** Small changes of images that leave their class alone. */
import { toModelRange } from "../../datasets/pixels.ts";
import type { RandomStream } from "../../nn/random.ts";

/** Options of {@linkcode augment}. */
export interface AugmentOptions {
  /** Height and width of an image. */
  readonly size: readonly [number, number];
  /** The largest shift either way, in pixels. */
  readonly maxShift: number;
}

/**
 * Mirrors every other image, on average, from left to right, and shifts each by up to `maxShift`
 * pixels; what comes in from outside is black.
 *
 * @param images Pixels 0 to 255, [B, H, W].
 * @returns Values in [-1, 1], [B, H, W].
 */
export function augment(
  images: Uint8Array,
  random: RandomStream,
  { size: [height, width], maxShift }: AugmentOptions,
): Float32Array<ArrayBuffer> {
  const count = images.length / (height * width);
  const draws = random.integers(3 * count, 0, 2 * (2 * maxShift + 1));
  const changed = new Uint8Array(images.length); // black
  for (let i = 0; i < count; i++) {
    const mirrored = draws[3 * i]! % 2 === 1;
    // Twice as many values as shifts there are: each shift is drawn by two of them.
    const down = (draws[3 * i + 1]! >> 1) - maxShift;
    const right = (draws[3 * i + 2]! >> 1) - maxShift;
    for (let y = Math.max(0, down); y < Math.min(height, height + down); y++) {
      const to = (i * height + y) * width;
      const from = (i * height + y - down) * width;
      for (let x = Math.max(0, right); x < Math.min(width, width + right); x++) {
        const column = x - right;
        changed[to + x] = images[from + (mirrored ? width - 1 - column : column)]!;
      }
    }
  }
  return toModelRange(changed);
}
