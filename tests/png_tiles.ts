/** The samples in a grid that report/grid.ts drew. */
import { decode } from "fast-png";

/** Pixels of a sample's side, how much larger they are drawn, and what is between and around them. */
const [SIDE, SCALE, GAP, MARGIN] = [28, 2, 4, 12] as const;
const STEP = SIDE * SCALE + GAP;

/** A grid of samples. */
export interface Tiles {
  /** Samples a row. */
  readonly columns: number;
  /** Rows. */
  readonly rows: number;
  /** The grey levels [28, 28] of the sample in a row and a column. */
  at(row: number, column: number): Uint8Array;
}

/**
 * Takes a grid apart, counting from its right and lower edges, where there are no names.
 *
 * @param labelHeight Pixels under each sample, where a name is. @default 0
 */
export function tilesOf(
  png: Uint8Array,
  { columns, rows }: { columns: number; rows: number },
  labelHeight = 0,
): Tiles {
  const { width, height, channels, data } = decode(png);
  const left = width - MARGIN + GAP - columns * STEP;
  const top = height - MARGIN + GAP - rows * (STEP + labelHeight);
  if (left < MARGIN || top < MARGIN) {
    throw new Error(`no ${columns}x${rows} in ${width}x${height} pixels`);
  }
  return {
    columns,
    rows,
    at: (row, column) =>
      Uint8Array.from({ length: SIDE * SIDE }, (_, i) => {
        const x = left + column * STEP + (i % SIDE) * SCALE;
        const y = top + row * (STEP + labelHeight) + Math.floor(i / SIDE) * SCALE;
        return data[(y * width + x) * channels]!;
      }),
  };
}

/** The size of a PNG of a grid without names. */
export function plainSize({ columns, rows }: { columns: number; rows: number }): number[] {
  return [columns, rows].map((count) => 2 * MARGIN + count * STEP - GAP);
}
