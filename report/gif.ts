/** Animated GIF files. */
import gifenc from "gifenc";
import type { Picture } from "./picture.ts";

/** The part of gifenc that is used here; the package has no types. */
interface GifLibrary {
  quantize(rgba: Uint8Array, colors: number): number[][];
  applyPalette(rgba: Uint8Array, palette: number[][]): Uint8Array;
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

/** Frames as indices into a palette. */
interface Indexed {
  readonly palette: number[][];
  readonly frames: readonly Uint8Array[];
}

const library = gifenc as unknown as GifLibrary;

/**
 * An animated GIF file that repeats forever. Equal frames give equal bytes. Greys are rounded to 248 shades, and
 * eight other colors are exact; frames with more colors get the 256 that suit all of them best.
 */
export function encodeGif(
  frames: readonly Picture[],
  { delay = 80, hold = 2000 }: GifOptions = {},
): Uint8Array<ArrayBuffer> {
  const [first] = frames;
  if (first === undefined) throw new RangeError("an animation needs a frame");
  const { width, height } = first;
  const other = frames.find((frame) => frame.width !== width || frame.height !== height);
  if (other !== undefined) {
    throw new RangeError(
      `frames must have the same size: ${other.width}x${other.height} is not ${width}x${height}`,
    );
  }
  const { palette, frames: indexed } = withGreys(frames) ?? withColors(frames);
  const encoder = library.GIFEncoder();
  indexed.forEach((indices, i) => {
    const last = i === indexed.length - 1;
    encoder.writeFrame(indices, width, height, { palette, delay: last ? hold : delay, repeat: 0 });
  });
  encoder.finish();
  return new Uint8Array(encoder.bytes());
}

/** The color of pixel i. */
function colorAt({ channels, data }: Picture, i: number): [number, number, number] {
  const at = i * channels;
  return channels === 1
    ? [data[at]!, data[at]!, data[at]!]
    : [data[at]!, data[at + 1]!, data[at + 2]!];
}

/** A palette of greys and a few colors; undefined if there are more colors. */
function withGreys(frames: readonly Picture[]): Indexed | undefined {
  const palette = Array.from({ length: GREYS }, (_, i) => {
    const grey = Math.round(i * 255 / (GREYS - 1));
    return [grey, grey, grey];
  });
  const others = new Map<number, number>();
  const indexed: Uint8Array[] = [];
  for (const frame of frames) {
    const indices = new Uint8Array(frame.width * frame.height);
    for (let i = 0; i < indices.length; i++) {
      const [red, green, blue] = colorAt(frame, i);
      if (red === green && green === blue) {
        indices[i] = Math.round(red * (GREYS - 1) / 255);
        continue;
      }
      const color = (red << 16) | (green << 8) | blue;
      let index = others.get(color);
      if (index === undefined) {
        if (palette.length === 256) return undefined;
        index = palette.push([red, green, blue]) - 1;
        others.set(color, index);
      }
      indices[i] = index;
    }
    indexed.push(indices);
  }
  while (palette.length < 256) palette.push([0, 0, 0]);
  return { palette, frames: indexed };
}

/** A palette of the 256 colors that suit all frames best. */
function withColors(frames: readonly Picture[]): Indexed {
  const pixels = frames.map((frame) => {
    const rgba = new Uint8Array(4 * frame.width * frame.height).fill(255);
    for (let i = 0; i < rgba.length / 4; i++) rgba.set(colorAt(frame, i), 4 * i);
    return rgba;
  });
  const all = new Uint8Array(pixels.reduce((sum, { length }) => sum + length, 0));
  pixels.reduce((start, rgba) => (all.set(rgba, start), start + rgba.length), 0);
  const palette = library.quantize(all, 256);
  return { palette, frames: pixels.map((rgba) => library.applyPalette(rgba, palette)) };
}
