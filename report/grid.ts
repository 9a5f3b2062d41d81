/** Pictures in a grid, with labels on rows, columns and single pictures. */
import { drawText, fitText, FONT_HEIGHT, textWidth } from "./font.ts";
import { countPictures, type Picture, type Pictures } from "./picture.ts";

/** Options of {@linkcode drawGrid}. */
export interface GridOptions {
  /** Pictures per row. @default the square root of their number, rounded up */
  readonly columns?: number | undefined;
  /** Width and height of a picture's pixel in the grid. @default 2 */
  readonly scale?: number | undefined;
  /** A label for each row, on its left. @default [] */
  readonly rowLabels?: readonly string[] | undefined;
  /** A label for each column, above it. @default [] */
  readonly columnLabels?: readonly string[] | undefined;
  /** A label for each picture, under it; shortened if it is too long. @default [] */
  readonly labels?: readonly string[] | undefined;
  /** A line above the grid. @default "" */
  readonly title?: string | undefined;
  /** Dark text on white, or light text on black. @default "light" */
  readonly theme?: "light" | "dark" | undefined;
}

const THEMES = {
  light: { paper: [255, 255, 255], ink: [36, 41, 47], frame: [208, 215, 222] },
  dark: { paper: [13, 17, 23], ink: [230, 237, 243], frame: [48, 54, 61] },
} as const;

const TEXT_SCALE = 2;
/** Pixels between pictures, and around the grid. */
const GAP = 4;
const MARGIN = 12;
const LINE = FONT_HEIGHT * TEXT_SCALE;

/**
 * Draws samples [count, height, width, channels], grey or RGB, row by row as a grid in RGB.
 *
 * @throws {RangeError} If there are no samples, or `columns` or `scale` is not a positive integer.
 *
 * @example
 * ```ts
 * import { drawGrid, encodePng, FASHION_MNIST_CLASSES, loadFashionMnist } from "@nanodiffusion/nanodiffusion";
 *
 * const { test: { images, labels } } = await loadFashionMnist({ sampleOnly: true });
 * const data = images.subarray(0, 8 * 28 * 28);
 * const grid = drawGrid({ width: 28, height: 28, channels: 1, data }, {
 *   columns: 4,
 *   labels: Array.from(labels.subarray(0, 8), (label) => FASHION_MNIST_CLASSES[label]!),
 * });
 * console.assert(encodePng(grid).length > 1000);
 * ```
 */
export function drawGrid(samples: Pictures, options: GridOptions = {}): Picture {
  const count = countPictures(samples);
  const { columns = Math.ceil(Math.sqrt(count)), scale = 2, theme = "light", title = "" } = options;
  const { rowLabels = [], columnLabels = [], labels = [] } = options;
  if (count === 0) throw new RangeError("there are no samples to draw");
  for (const [name, value] of Object.entries({ columns, scale })) {
    if (!Number.isInteger(value) || value < 1) {
      throw new RangeError(`${name} must be a positive whole number, not ${value}`);
    }
  }
  const rows = Math.ceil(count / columns);
  const { paper, ink, frame } = THEMES[theme];
  const [tileWidth, tileHeight] = [samples.width * scale, samples.height * scale];
  const labelWidth = Math.max(0, ...rowLabels.map((label) => textWidth(label, TEXT_SCALE)));

  // A tile's frame is one pixel wide and lies in the gap.
  const left = MARGIN + (labelWidth === 0 ? 0 : labelWidth + MARGIN);
  const titleHeight = title === "" ? 0 : LINE + MARGIN;
  const top = MARGIN + titleHeight + (columnLabels.length === 0 ? 0 : LINE + GAP);
  const stepX = tileWidth + GAP;
  // Labels under samples have one size: the small one if any label needs it.
  const fits = labels.every((label) => textWidth(label, TEXT_SCALE) <= tileWidth);
  const labelScale = fits ? TEXT_SCALE : 1;
  const labelHeight = labels.length === 0 ? 0 : FONT_HEIGHT * labelScale + 2 * GAP;
  const stepY = tileHeight + GAP + labelHeight;
  const gridWidth = left + columns * stepX - GAP + MARGIN;
  const width = Math.max(gridWidth, 2 * MARGIN + textWidth(title, TEXT_SCALE));
  const height = top + rows * stepY - GAP + MARGIN;

  const picture: Picture = {
    width,
    height,
    channels: 3,
    data: new Uint8Array(width * height * 3),
  };
  fill(picture, 0, 0, width, height, paper);
  const text = (content: string, x: number, y: number, size = TEXT_SCALE) =>
    drawText(picture, content, Math.floor(x), Math.floor(y), ink, size);
  const centered = (content: string, x: number, y: number, size = TEXT_SCALE) => {
    const fitted = fitText(content, tileWidth, size);
    text(fitted, x + (tileWidth - textWidth(fitted, size)) / 2, y, size);
  };

  text(title, MARGIN, MARGIN);
  columnLabels.slice(0, columns).forEach((label, column) =>
    centered(label, left + column * stepX, top - GAP - LINE)
  );
  rowLabels.slice(0, rows).forEach((label, row) => {
    // Capitals, which end at the baseline, are centred vertically.
    const y = top + row * stepY + (tileHeight - 7 * TEXT_SCALE) / 2;
    text(label, left - MARGIN - textWidth(label, TEXT_SCALE), y);
  });
  for (let i = 0; i < count; i++) {
    const x = left + (i % columns) * stepX;
    const y = top + Math.floor(i / columns) * stepY;
    fill(picture, x - 1, y - 1, tileWidth + 2, tileHeight + 2, frame);
    drawTile(picture, samples, i, x, y, scale);
    if (labels[i] !== undefined) centered(labels[i]!, x, y + tileHeight + GAP, labelScale);
  }
  return picture;
}

function fill(
  { width: stride, data }: Picture,
  left: number,
  top: number,
  width: number,
  height: number,
  color: readonly number[] | Uint8Array,
): void {
  for (let y = top; y < top + height; y++) {
    for (let x = left; x < left + width; x++) data.set(color, (y * stride + x) * 3);
  }
}

/** Copies sample `index`. Each of its pixels becomes a square of `scale` by `scale`. */
function drawTile(
  picture: Picture,
  { width, height, channels, data }: Pictures,
  index: number,
  left: number,
  top: number,
  scale: number,
): void {
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const from = ((index * height + y) * width + x) * channels;
      const color = channels === 3
        ? data.subarray(from, from + 3)
        : [data[from]!, data[from]!, data[from]!];
      fill(picture, left + x * scale, top + y * scale, scale, scale, color);
    }
  }
}
