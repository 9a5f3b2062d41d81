import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { drawPlot, type LinePlot } from "../../report/plot.ts";
import { movingAverage, thin } from "../../report/series.ts";
import { formatTick, linearTicks, logTicks } from "../../report/ticks.ts";
import { parseMarkup } from "./markup.ts";

const labels = (ticks: { label: string }[]) => ticks.map(({ label }) => label);

Deno.test("linearTicks() returns round numbers", () => {
  assertEquals(labels(linearTicks(0, 1)), ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
  assertEquals(labels(linearTicks(-3, 3, 6)), ["-3", "-2", "-1", "0", "1", "2", "3"]);
  assertEquals(labels(linearTicks(1, 3000, 6)), [
    "500",
    "1,000",
    "1,500",
    "2,000",
    "2,500",
    "3,000",
  ]);
  assertEquals(labels(linearTicks(0, 20_000, 4)), ["0", "5k", "10k", "15k", "20k"]);
  assertEquals(labels(linearTicks(0, 1e-3, 2)), ["0", "5e-4", "1e-3"]);
  assertEquals(labels(linearTicks(0.0501, 0.0512, 4)), ["0.0505", "0.0510"]);
  for (const { value, label } of linearTicks(0.1, 0.7, 7)) assertAlmostEquals(Number(label), value);
});

Deno.test("logTicks() labels powers of ten, or 1, 2 and 5 times these in a short range", () => {
  const named = (low: number, high: number) => labels(logTicks(low, high)).filter((x) => x !== "");
  assertEquals(named(1e-5, 1), ["1e-5", "1e-4", "0.001", "0.01", "0.1", "1"]);
  assertEquals(named(0.04, 1.2), ["0.05", "0.1", "0.2", "0.5", "1"]);
  assertEquals(named(0.1, 0.2), ["0.10", "0.15", "0.20"]);
  assert(named(1e-30, 1e30).length <= 10);
});

Deno.test("formatTick() keeps numbers short", () => {
  assertEquals([0, 0.05, -2, 1200, 1e9, 1e-5, 2.5e6, 1e-320].map((value) => formatTick(value)), [
    "0",
    "0.05",
    "-2",
    "1,200",
    "1e9",
    "1e-5",
    "3M",
    "1e-320",
  ]);
  assertEquals(formatTick(2.5e6, { step: 5e5 }), "2.5M");
});

Deno.test("movingAverage() keeps straight lines and gaps", () => {
  const line = Array.from({ length: 20 }, (_, i) => 3 * i + 1);
  const smooth = movingAverage(line, 5);
  for (let i = 0; i < 18; i++) assertAlmostEquals(smooth[i]!, line[i]!, 1e-9);
  assertEquals([...movingAverage([1, NaN, 3, 8], 3)], [1, NaN, 5.5, 5.5]);
  assertEquals([...movingAverage([], 3)], []);
});

Deno.test("thin() keeps the extremes of each column, the ends and the gaps", () => {
  const y = Array.from({ length: 10_000 }, (_, i) => Math.sin(i * i));
  y[5_003] = 40;
  y[7_001] = -40;
  y[2_000] = NaN;
  const kept = thin(y.map((value, i) => [i, value] as const), (x) => x / 100);
  assert(kept.length < 500);
  const values = new Map(kept);
  assertEquals([values.get(0), values.get(9_999)], [y[0]!, y[9_999]!]);
  assertEquals([values.get(5_003), values.get(7_001)], [40, -40]);
  assert(Number.isNaN(values.get(2_000)));
  assert(kept.every(([x], i) => i === 0 || x > kept[i - 1]![0]));
  const few = [[0, 1], [5, 2]] as const;
  assertEquals(thin(few, (x) => x), few.map((point) => [...point]) as [number, number][]);
});

function plot(changes: Partial<LinePlot> = {}): LinePlot {
  return {
    title: "Loss",
    xLabel: "step",
    yLabel: "error",
    series: [{ name: "training", x: [0, 40, 80], y: [1, 0.1, 0.01] }],
    ...changes,
  };
}

/** The lines of a plot outside of its legend, as lists of points. */
function lines(source: string, legend = 0): number[][][] {
  return parseMarkup(source)
    .filter(({ name, attributes }) => name === "path" && attributes.get("class")!.includes("line"))
    .slice(legend)
    .map(({ attributes }) =>
      [...attributes.get("d")!.matchAll(/[ML]([-\d.]+) ([-\d.]+)/g)].map(([, x, y]) => [
        Number(x),
        Number(y),
      ])
    );
}

Deno.test("drawPlot() places values as its axes do", () => {
  const svg = drawPlot(plot({ yScale: "log" })).toString();
  const [line] = lines(svg);
  // On a logarithmic axis equal ratios are equal distances.
  assertAlmostEquals(line![2]![1]! - line![1]![1]!, line![1]![1]! - line![0]![1]!, 0.11);
  assertAlmostEquals(line![2]![0]! - line![1]![0]!, line![1]![0]! - line![0]![0]!, 0.11);
  const elements = parseMarkup(svg);
  const marks = elements.filter(({ name, attributes, text }) =>
    name === "text" && text === "0.1" && attributes.get("text-anchor") === "end"
  );
  // The mark's text stands 4 below its line, so that it is centred.
  assertAlmostEquals(Number(marks[0]?.attributes.get("y")) - 4, line![1]![1]!, 0.11);
  const forty = elements.find(({ name, text }) => name === "text" && text === "40");
  assertAlmostEquals(Number(forty?.attributes.get("x")), line![1]![0]!, 0.11);
});

Deno.test("drawPlot() maps equal ratios to equal distances when the horizontal axis is logarithmic", () => {
  const series = [{ name: "a", x: [0, 10, 100, 1000], y: [9, 1, 2, 3] }];
  const svg = drawPlot(plot({ xScale: "log", series })).toString();
  const [line] = lines(svg);
  assertEquals(line!.length, 3); // 0 has no logarithm
  assertAlmostEquals(line![2]![0]! - line![1]![0]!, line![1]![0]! - line![0]![0]!, 0.11);
  const hundred = parseMarkup(svg).find(({ name, text }) => name === "text" && text === "100");
  assertAlmostEquals(Number(hundred?.attributes.get("x")), line![1]![0]!, 0.11);
});

Deno.test("drawPlot() returns a complete file with a size and a name", () => {
  const [svg, title] = parseMarkup(drawPlot(plot({ width: 400, height: 200 })).toString());
  assertEquals(svg?.name, "svg");
  assertEquals(svg?.attributes.get("xmlns"), "http://www.w3.org/2000/svg");
  assertEquals(svg?.attributes.get("viewBox"), "0 0 400 200");
  assertEquals([svg?.attributes.get("role"), svg?.attributes.get("aria-label")], ["img", "Loss"]);
  assertEquals([title?.name, title?.text], ["title", "Loss"]);
});

Deno.test("drawPlot() draws gaps for missing values, and dots between gaps", () => {
  const y = [1, 2, NaN, 4, Infinity, 6, 7];
  const svg = drawPlot(plot({ series: [{ name: "a", x: [0, 1, 2, 3, 4, 5, 6], y }] })).toString();
  const path = parseMarkup(svg).findLast(({ name }) => name === "path")!.attributes.get("d")!;
  assertEquals(path.match(/[MLa]/g)?.join(""), "MLMaaML");
});

Deno.test("drawPlot() draws no NaN when there is little or nothing to draw", () => {
  for (
    const series of [
      [],
      [{ name: "a", x: [], y: [] }],
      [{ name: "a", x: [1], y: [5] }],
      [{ name: "a", x: [1, 2], y: [0, 0] }],
      [{ name: "a", x: [1, 2], y: [NaN, NaN] }],
      [{ name: "a", x: [NaN, 2], y: [1, 2] }],
      [{ name: "a", x: [1, 2], y: [-1, 0] }],
      [{ name: "a", x: [1, 2], y: [1e-300, 1e300] }],
      [{ name: "a", x: [1, 2, 3], y: [1, 2, 3], smooth: 5 }],
    ]
  ) {
    for (const yScale of ["linear", "log"] as const) {
      const svg = drawPlot(plot({ series, yScale })).toString();
      assert(!/NaN|Infinity|undefined/.test(svg), svg);
      parseMarkup(svg);
    }
  }
  assert(drawPlot(plot({ series: [] })).toString().includes("no values"));
});

Deno.test("drawPlot() draws a legend of all names when there are several lines", () => {
  const series = Array.from({ length: 14 }, (_, i) => ({
    name: `line <${i}>`,
    x: [0, 1],
    y: [i, i + 1],
  }));
  const elements = parseMarkup(drawPlot(plot({ series, title: 'a "b" & <c>' })).toString());
  const texts = elements.filter(({ name }) => name === "text").map(({ text }) => text);
  for (const { name } of series) {
    assertEquals(texts.filter((text) => text === name).length, 1, name);
  }
  assert(texts.includes('a "b" & <c>'));
  // 14 lines and 14 entries of the legend; each line has its own color and stroke.
  const strokes = elements.filter(({ attributes }) => attributes.get("class")?.startsWith("line"))
    .map(({ attributes }) => `${attributes.get("class")} ${attributes.get("stroke-dasharray")}`);
  assertEquals(strokes.length, 28);
  assertEquals(new Set(strokes).size, 14);
});

Deno.test("drawPlot() stays small when a line has many points", () => {
  const x = Array.from({ length: 200_000 }, (_, i) => i);
  const y = x.map((i) => 1 + Math.sin(i) ** 2);
  const svg = drawPlot(plot({ series: [{ name: "a", x, y, smooth: 100 }] })).toString();
  assert(svg.length < 80_000, `${svg.length}`);
  assertEquals(lines(svg).length, 2);
});

/** Relative luminance and contrast by WCAG 2.2. */
function contrast(a: string, b: string): number {
  const luminance = (hex: string) => {
    const [red, green, blue] = [1, 3, 5].map((at) => {
      const share = parseInt(hex.slice(at, at + 2), 16) / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red! + 0.7152 * green! + 0.0722 * blue!;
  };
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (high! + 0.05) / (low! + 0.05);
}

Deno.test("drawPlot() uses colors with a contrast of at least 3:1 in light and in dark", () => {
  const style = parseMarkup(drawPlot(plot()).toString()).find(({ name }) => name === "style")!.text;
  const [light, dark, print] = style.split("@media");
  const colors = (part?: string) =>
    [...part!.matchAll(/\.c\d \{ stroke: (#\w{6})/g)].map((m) => m[1]!);
  assertEquals(colors(light), colors(print));
  for (const color of colors(light)) assert(contrast(color, "#ffffff") >= 3, color);
  for (const color of colors(dark)) assert(contrast(color, "#0d1117") >= 3, color);
  assertEquals(new Set(colors(light)).size, 6);
});
