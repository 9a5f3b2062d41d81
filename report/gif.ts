/** Animated pictures. */
import gifenc from "gifenc";
import type { Picture } from "./picture.ts";

/** gifenc has no types of its own: the part of it that is used here. */
interface Library {
  GIFEncoder(): {
    writeFrame(
      indices: Uint8Array,
      width: number,
      height: number,
      options: { palette: number[][]; delay: number; repeat: number },
    ): void;
    finish(): void;
    bytes(): Uint8Array;
  };
}

/** Shades of grey in the palette, which holds 256 colors: the rest is for those of letters and frames. */
const GREYS = 248;

/** Options of {@linkcode encodeGif}. */
export interface GifOptions {
  /** How long a frame is shown, in milliseconds; GIF counts in hundredths of a second. @default 80 */
  delay?: number;
  /** How long the last frame is shown before the first comes again. @default 2000 */
  hold?: number;
}

/**
 * The bytes of an animated GIF file, which starts again when it is over. Equal frames give equal bytes.
 *
 * @param frames Pictures of one size, at least one: greys, which are rounded to 248 shades, and up to
 * eight other colors.
 * @throws {RangeError} If there is none, they differ in size, or there are more colors.
 */
export function encodeGif(
  frames: readonly Picture[],
  { delay = 80, hold = 2000 }: GifOptions = {},
): Uint8Array<ArrayBuffer> {
  const [first] = frames;
  if (first === undefined) throw new RangeError("an animation needs a frame");
  const { width, height } = first;
  const palette = Array.from({ length: GREYS }, (_, i) => {
    const grey = Math.round(i * 255 / (GREYS - 1));
    return [grey, grey, grey];
  });
  const others = new Map<number, number>();
  const indexOf = (red: number, green: number, blue: number): number => {
    if (red === green && green === blue) return Math.round(red * (GREYS - 1) / 255);
    const color = (red << 16) | (green << 8) | blue;
    const known = others.get(color);
    if (known !== undefined) return known;
    if (palette.length === 256) throw new RangeError("the frames have too many colors");
    others.set(color, palette.length);
    return palette.push([red, green, blue]) - 1;
  };
  const indexed = frames.map((frame) => {
    if (frame.width !== width || frame.height !== height) {
      throw new RangeError(
        `a frame of ${frame.width}x${frame.height} does not go with one of ${width}x${height}`,
      );
    }
    const { channels, data } = frame;
    return Uint8Array.from({ length: width * height }, (_, i) => {
      const at = i * channels;
      return channels === 1
        ? indexOf(data[at]!, data[at]!, data[at]!)
        : indexOf(data[at]!, data[at + 1]!, data[at + 2]!);
    });
  });
  while (palette.length < 256) palette.push([0, 0, 0]);
  const encoder = (gifenc as unknown as Library).GIFEncoder();
  indexed.forEach((indices, i) => {
    const last = i === indexed.length - 1;
    encoder.writeFrame(indices, width, height, { palette, delay: last ? hold : delay, repeat: 0 });
  });
  encoder.finish();
  return new Uint8Array(encoder.bytes());
}
