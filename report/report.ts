/** report.html: one page in one file, which opens without a network and runs no scripts. */
import type { KeyFigure } from "../base/figure.ts";
import { fileError } from "../base/file_errors.ts";
import { writeFileAtomic } from "../base/files.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../base/json.ts";
import { type Content, element, type Markup } from "./html.ts";
import type { LinePlot } from "./plot.ts";
import {
  renderChart,
  renderPicture,
  renderSection,
  renderTexts,
  type ReportPicture,
  type ReportSection,
  type ReportTexts,
} from "./sections.ts";
import { STYLE } from "./style.ts";

/** A row of metrics: numbers by column. A number that was not measured is missing or NaN. */
export type MetricsRow = Readonly<Record<string, number | undefined>>;

export interface MetricsChart extends Omit<LinePlot, "series"> {
  readonly x?: string | undefined;
  /** The columns to draw, with their names in the legend. Columns without values are left out. */
  readonly columns: Readonly<Record<string, string>>;
  /** The window of a moving average, in rows. Shorter lines are not smoothed. @default 1 */
  readonly smooth?: number | undefined;
}

/** The content of a page, from top to bottom. Parts without content are left out. */
export interface Report {
  readonly title: string;
  readonly summary?: string | undefined;
  /** Warnings, above everything else. */
  readonly warnings?: readonly string[];
  readonly figures?: readonly KeyFigure[];
  readonly pictures?: readonly ReportPicture[] | undefined;
  readonly texts?: readonly ReportTexts[] | undefined;
  readonly sections?: readonly ReportSection[] | undefined;
  /** The numbers that `charts` draw. */
  readonly metrics?: readonly MetricsRow[] | undefined;
  readonly charts?: readonly MetricsChart[] | undefined;
  readonly config: object;
  /** Where the results come from, such as device, versions and data: a table of keys and values. */
  readonly origin?: object | undefined;
}

/** Forbids the page to load, run, frame or send anything: all it shows is in the file. */
const POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; " +
  "form-action 'none'";

export function renderReport(report: Report): string {
  const { title, summary, warnings = [], figures = [], pictures = [], texts = [] } = report;
  const { sections = [], metrics = [], charts = [] } = report;
  const head = element(
    "head",
    {},
    element("meta", { charset: "utf-8" }),
    element("meta", { "http-equiv": "Content-Security-Policy", content: POLICY }),
    element("meta", { name: "viewport", content: "width=device-width, initial-scale=1" }),
    element("meta", { name: "color-scheme", content: "light dark" }),
    element("meta", { name: "referrer", content: "no-referrer" }),
    element("title", {}, title),
    element("style", {}, STYLE),
  );
  const header = element(
    "header",
    {},
    element("h1", {}, title),
    summary !== undefined && element("p", { class: "summary" }, summary),
    warnings.map((warning) => element("p", { class: "warning", role: "note" }, warning)),
  );
  const main = element(
    "main",
    {},
    header,
    section("Key figures", figures.length > 0 && renderFigures(figures)),
    section("Samples", [...pictures.map(renderPicture), ...texts.map(renderTexts)]),
    sections.map((part) => section(part.heading, renderSection(part))),
    section("Training", metricsPlots(charts, metrics).map(renderChart)),
    section("Configuration", renderTable(report.config)),
    section("Origin", report.origin !== undefined && renderTable(report.origin)),
  );
  return `<!DOCTYPE html>\n${element("html", { lang: "en" }, head, element("body", {}, main))}`;
}

/** Writes report.html into a folder, and returns its path. */
export async function writeReport(folder: string, report: Report): Promise<string> {
  const path = `${folder}/report.html`;
  try {
    await writeFileAtomic(path, renderReport(report));
  } catch (error) {
    throw fileError(error, `write ${path}`);
  }
  return path;
}

/** The chart of some columns of the metrics; undefined if no row has a value in any of them. */
export function metricsPlot(
  { x = "step", columns, smooth = 1, ...plot }: MetricsChart,
  metrics: readonly MetricsRow[],
): LinePlot | undefined {
  const series = Object.entries(columns).flatMap(([column, name]) => {
    // Without the rows that lack a value, a column measured now and then is a line without gaps.
    const rows = metrics.filter((row) => row[column] !== undefined && !Number.isNaN(row[column]));
    if (rows.length === 0) return [];
    return [{
      name,
      x: rows.map((row) => row[x] ?? NaN),
      y: rows.map((row) => row[column]!),
      smooth: rows.length > 3 * smooth ? smooth : 1,
    }];
  });
  return series.length === 0 ? undefined : { ...plot, series };
}

/** The charts that have values. */
export function metricsPlots(
  charts: readonly MetricsChart[],
  metrics: readonly MetricsRow[],
): LinePlot[] {
  return charts.flatMap((chart) => metricsPlot(chart, metrics) ?? []);
}

function section(heading: string, content: Markup | false | readonly Markup[]): Content {
  if (content === false || Array.isArray(content) && content.length === 0) return undefined;
  return element("section", {}, element("h2", {}, heading), content);
}

function renderFigures(figures: readonly KeyFigure[]): Markup {
  const items = figures.map(({ name, value, protocol, real }) =>
    element(
      "div",
      {},
      element("dt", {}, name),
      element("dd", { class: "value" }, value),
      real !== undefined && element("dd", { class: "real" }, `real data: ${real.value}`),
      element("dd", { class: "protocol" }, protocol),
    )
  );
  return element("dl", { class: "figures" }, items);
}

/** A table of keys and values. Nested objects become rows with dotted keys. */
function renderTable(object: object): Markup {
  const rows = flatten(JSON.parse(JSON.stringify(object))).map(([key, value]) =>
    element("tr", {}, element("th", { scope: "row" }, key), element("td", {}, value))
  );
  return element("div", { class: "scroll" }, element("table", {}, element("tbody", {}, rows)));
}

function flatten(object: JsonObject, prefix = ""): [string, string][] {
  return Object.entries(object).flatMap(([name, value]): [string, string][] => {
    if (value === undefined) return [];
    const key = prefix + name;
    if (isJsonObject(value)) return flatten(value, `${key}.`);
    if (Array.isArray(value) && value.some(isJsonObject)) {
      return flatten(Object.fromEntries(value.entries()), `${key}.`);
    }
    return [[key, formatValue(value)]];
  });
}

function formatValue(value: JsonValue): string {
  if (Array.isArray(value)) return value.map(formatValue).join(", ");
  return typeof value === "string" ? value : JSON.stringify(value);
}
