/** Line charts as SVG files or parts of a page. */
import { type Attributes, type Content, element, type Markup } from "./html.ts";
import { lineStyle, PLOT_STYLE } from "./plot_style.ts";
import { movingAverage, thin } from "./series.ts";
import { linearTicks, logTicks, type Tick } from "./ticks.ts";

export interface Series {
  readonly name: string;
  readonly x: ArrayLike<number>;
  /** The line has a gap where a value is not finite. */
  readonly y: ArrayLike<number>;
  /** The window of a moving average, in points. The values become a faint line. @default 1 */
  readonly smooth?: number | undefined;
}

export interface LinePlot {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly series: readonly Series[];
  /** A logarithmic axis leaves out positions up to 0. @default "linear" */
  readonly xScale?: "linear" | "log" | undefined;
  /** A logarithmic axis leaves out values up to 0. @default "linear" */
  readonly yScale?: "linear" | "log" | undefined;
  /** In pixels, unless a style sheet sets it. @default 720 */
  readonly width?: number | undefined;
  /** In pixels, unless a style sheet sets it. @default 320 */
  readonly height?: number | undefined;
}

/** The approximate width of a label's letter. SVG cannot measure text before it is shown. */
const LETTER = 6.6;

interface Axis {
  readonly ticks: readonly Tick[];
  readonly at: (value: number) => number;
}

/**
 * Draws a line chart as an `<svg>` element, which is also a complete SVG file. Its colors follow the
 * reader's preference for light or dark.
 */
export function drawPlot(plot: LinePlot): Markup {
  const { title, xLabel, yLabel, yScale = "linear", width = 720, height = 320 } = plot;
  const log = yScale === "log";
  const logX = plot.xScale === "log";
  const series = plot.series.map((line) => prepare(line, log, logX));
  const points = series.flatMap(({ raw }) => raw);
  const lines = legendLines(plot.series.map(({ name }) => name), width - 32);
  const top = 34 + 18 * lines.length;

  const yRange = range(points.map(([, y]) => y), log, 0.06);
  const yTicks = log ? logTicks(...yRange) : linearTicks(...yRange, (height - top) / 50);
  const left = 34 + LETTER * Math.max(...yTicks.map(({ label }) => label.length));
  const [right, bottom] = [width - 18, height - 44];
  const xRange = range(points.map(([x]) => x), logX, 0);
  const x: Axis = {
    ticks: logX ? logTicks(...xRange) : linearTicks(...xRange, (right - left) / 90),
    at: (value) => left + (right - left) * share(value, xRange, logX),
  };
  const y: Axis = {
    ticks: yTicks,
    at: (value) => bottom - (bottom - top) * share(value, yRange, log),
  };
  const path = (list: readonly Point[]) => pathData(thin(list, x.at), x.at, y.at);

  const label = (text: string, at: Attributes, anchor = "middle") =>
    element("text", { class: "quiet", "text-anchor": anchor, ...round(at) }, text);
  return element(
    "svg",
    {
      class: "plot",
      xmlns: "http://www.w3.org/2000/svg",
      viewBox: `0 0 ${width} ${height}`,
      width,
      height,
      role: "img",
      "aria-label": title,
    },
    element("title", {}, title),
    element("style", {}, PLOT_STYLE),
    element("text", { class: "title", x: 16, y: 20 }, title),
    lines.map((line, row) => line.map((entry) => drawLegendEntry(entry, 16, 40 + 18 * row))),
    y.ticks.map(({ value, label: text }) => [
      element("path", {
        class: text === "" ? "grid minor" : "grid",
        d: `M${n(left)} ${n(y.at(value))}H${n(right)}`,
      }),
      text !== "" && label(text, { x: left - 8, y: y.at(value) + 4 }, "end"),
    ]),
    x.ticks.map(({ value, label: text }) => [
      element("path", { class: "axis", d: `M${n(x.at(value))} ${n(bottom)}v5` }),
      label(text, { x: x.at(value), y: bottom + 19 }),
    ]),
    element("path", { class: "axis", d: `M${n(left)} ${n(bottom)}H${n(right)}` }),
    label(xLabel, { x: (left + right) / 2, y: height - 6 }),
    label(yLabel, { transform: `translate(14 ${n((top + bottom) / 2)}) rotate(-90)` }),
    series.map(({ raw, smooth }, i) => [
      smooth && element("path", { class: `${lineStyle(i).class} faint`, d: path(raw) }),
      element("path", { ...lineStyle(i), d: path(smooth ?? raw) }),
    ]),
    points.every(([, value]) => Number.isNaN(value)) &&
      label("no values", { x: (left + right) / 2, y: (top + bottom) / 2 }),
  );
}

/** NaN as y is a gap. */
type Point = readonly [x: number, y: number];

/** A line's points, with gaps for those that cannot be drawn, and their moving average. */
function prepare({ x, y, smooth = 1 }: Series, log: boolean, logX: boolean): {
  raw: Point[];
  smooth: Point[] | undefined;
} {
  const toPoints = (values: ArrayLike<number>) =>
    Array.from(values, (value, i): Point => [
      x[i]!,
      Number.isFinite(value) && !(log && value <= 0) ? value : NaN,
    ]).filter(([position]) => Number.isFinite(position) && !(logX && position <= 0));
  return {
    raw: toPoints(y),
    smooth: smooth > 1 ? toPoints(movingAverage(y, smooth)) : undefined,
  };
}

/** The range of the values, with a margin of `room` times its length; never empty. */
function range(values: readonly number[], log: boolean, room: number): [number, number] {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (low > high) return log ? [0.1, 1] : [0, 1];
  if (log) {
    const [first, last] = [Math.log10(low), Math.log10(high)]; // high / low could overflow
    const margin = low === high ? 0.3 : (last - first) * room;
    return [10 ** Math.max(first - margin, -300), 10 ** Math.min(last + margin, 300)];
  }
  const margin = low === high ? Math.abs(low) / 2 || 1 : (high - low) * room;
  return [low - margin, high + margin];
}

/** The position of a value in a range, from 0 to 1. */
function share(value: number, [low, high]: [number, number], log: boolean): number {
  const scale = log ? Math.log : Number;
  return (scale(value) - scale(low)) / (scale(high) - scale(low));
}

/** The path through points, in SVG's syntax. A point between two gaps becomes a dot. */
function pathData(
  points: readonly Point[],
  atX: (x: number) => number,
  atY: (y: number) => number,
): string {
  let data = "";
  points.forEach(([x, y], i) => {
    if (Number.isNaN(y)) return;
    const starts = i === 0 || Number.isNaN(points[i - 1]![1]);
    const ends = i === points.length - 1 || Number.isNaN(points[i + 1]![1]);
    const [left, top] = [atX(x), atY(y)];
    data += starts && ends
      ? `M${n(left - 2)} ${n(top)}a2 2 0 1 0 4 0a2 2 0 1 0-4 0`
      : `${starts ? "M" : "L"}${n(left)} ${n(top)}`;
  });
  return data;
}

interface LegendEntry {
  readonly index: number;
  readonly name: string;
  readonly x: number;
}

/** The legend, broken into lines. A chart of one line needs none: the axis names it. */
function legendLines(names: readonly string[], width: number): LegendEntry[][] {
  if (names.length < 2) return [];
  const lines: LegendEntry[][] = [[]];
  let x = 0;
  names.forEach((name, index) => {
    const needed = 26 + LETTER * name.length + 16;
    if (x > 0 && x + needed > width) {
      lines.push([]);
      x = 0;
    }
    lines.at(-1)!.push({ index, name, x });
    x += needed;
  });
  return lines;
}

function drawLegendEntry({ index, name, x }: LegendEntry, left: number, y: number): Content {
  return [
    element("path", { ...lineStyle(index), d: `M${n(left + x)} ${y - 4}h20` }),
    element("text", { x: n(left + x + 26), y }, name),
  ];
}

/** A coordinate, rounded to a tenth of a pixel. */
function n(value: number): number {
  return Math.round(value * 10) / 10;
}

function round(attributes: Attributes): Attributes {
  return Object.fromEntries(
    Object.entries(attributes).map((
      [key, value],
    ) => [key, typeof value === "number" ? n(value) : value]),
  );
}
