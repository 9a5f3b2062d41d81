/** Animated GIF files. */
import gifenc from "gifenc";
import type { Picture } from "./picture.ts";

/** The part of gifenc that is used here; the package has no types. */
interface GifLibrary {
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

/** Shades of grey in the palette of 256 colors. The rest is left for labels and frames. */
const GREYS = 248;

export interface GifOptions {
  /** Milliseconds that a frame is shown. GIF counts in hundredths of a second. @default 80 */
  delay?: number | undefined;
  /** Milliseconds that the last frame is shown before the animation restarts. @default 2000 */
  hold?: number | undefined;
}

/**
 * An animated GIF file that repeats forever. Equal frames give equal bytes. Greys are rounded to 248
 * shades; eight other colors are possible.
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
        `frames must have the same size: ${frame.width}x${frame.height} is not ${width}x${height}`,
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
  const encoder = (gifenc as unknown as GifLibrary).GIFEncoder();
  indexed.forEach((indices, i) => {
    const last = i === indexed.length - 1;
    encoder.writeFrame(indices, width, height, { palette, delay: last ? hold : delay, repeat: 0 });
  });
  encoder.finish();
  return new Uint8Array(encoder.bytes());
}
