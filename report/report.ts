/** report.html of a run: one file that opens anywhere, loads nothing and runs nothing. */
import { fileError } from "../base/file_errors.ts";
import { writeFileAtomic } from "../base/files.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../base/json.ts";
import { type Content, element, type Markup } from "./html.ts";
import { drawPlot, type LinePlot } from "./plot.ts";
import { renderSection, type ReportSection } from "./sections.ts";
import { STYLE } from "./style.ts";

/** A number that the run is judged by. */
export interface KeyFigure {
  /** What was measured: "FID". */
  readonly name: string;
  /** The figure, with its unit: "12.3". */
  readonly value: string;
  /** How: samples, sampler, steps, reference set, so that figures are not compared across protocols. */
  readonly protocol: string;
}

/** A figure as a program prints it, with the same of real texts where that is known. */
export function figureLine(
  { name, value, protocol, real }: KeyFigure & { readonly real?: { readonly value: string } },
): string {
  const beside = real === undefined ? "" : `, real texts ${real.value}`;
  return `${name}: ${value}${beside} (${protocol})`;
}

/** A picture, as the bytes of a PNG file or of a GIF file. */
export type ReportPicture = {
  /** Under the picture: what it shows, and how it was made. */
  readonly caption: string;
} & ({ readonly png: Uint8Array } | { readonly gif: Uint8Array });

/** Texts that a model wrote. */
export interface ReportTexts {
  /** Above the texts. */
  readonly caption: string;
  /** The texts, each with what it answers or continues, if anything. */
  readonly texts: readonly { readonly prompt?: string; readonly text: string }[];
}

/** A row of metrics.csv. What was not measured at a step is missing, or NaN. */
export type MetricsRow = Readonly<Record<string, number | undefined>>;

/** A chart of columns of the metrics. */
export interface MetricsChart extends Omit<LinePlot, "series"> {
  /** The column on the horizontal axis. @default "step" */
  readonly x?: string;
  /** The columns to draw, with their names in the legend. Columns without values are left out. */
  readonly columns: Readonly<Record<string, string>>;
  /** Rows that a moving average spans, where a line has many more. @default 1 */
  readonly smooth?: number;
}

/** What a report says. */
export interface Report {
  /** The run's name. */
  readonly title: string;
  /** A sentence on what was run, where and how long it took. */
  readonly summary?: string;
  /** What readers must know first, such as that the data was only the bundled sample. */
  readonly warnings?: readonly string[];
  /** The figures. */
  readonly figures?: readonly KeyFigure[];
  /** Sample grids and other pictures. */
  readonly pictures?: readonly ReportPicture[];
  /** Sampled texts. */
  readonly texts?: readonly ReportTexts[];
  /** The rows of metrics.csv. */
  readonly metrics?: readonly MetricsRow[];
  /** What to draw of them; nothing is drawn of columns that they lack. */
  readonly charts?: readonly MetricsChart[];
  /** Further parts of the page. */
  readonly sections?: readonly ReportSection[];
  /** Every setting of the run. */
  readonly config: JsonObject;
  /** Device, versions, data and hashes: what else is in the run's config.json. */
  readonly origin?: JsonObject;
}

/** Nothing is loaded, run, framed or sent: only what the file itself holds is shown. */
const POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; " +
  "form-action 'none'";

/** The report as HTML. Every text in it is escaped. */
export function renderReport(report: Report): string {
  const { title, summary, warnings = [], figures = [], pictures = [], texts = [] } = report;
  const { sections = [] } = report;
  const charts = (report.charts ?? []).flatMap((chart) => renderChart(chart, report.metrics ?? []));
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
    sections.map((part) => section(part.heading, renderSection(part, renderPicture))),
    section("Training", charts),
    section("Configuration", renderTable(report.config)),
    section("Origin", report.origin !== undefined && renderTable(report.origin)),
  );
  return `<!DOCTYPE html>\n${element("html", { lang: "en" }, head, element("body", {}, main))}`;
}

/**
 * Writes report.html into a run's folder, whole or not at all.
 *
 * @returns The file's path.
 * @throws {UserError} If it cannot be written.
 */
export async function writeReport(runDirectory: string, report: Report): Promise<string> {
  const path = `${runDirectory}/report.html`;
  try {
    await writeFileAtomic(path, renderReport(report));
  } catch (error) {
    throw fileError(error, `write ${path}`);
  }
  return path;
}

/**
 * The chart of some columns of the metrics.
 *
 * @returns undefined where no row has a value for any of them.
 */
export function metricsPlot(
  { x = "step", columns, smooth = 1, ...plot }: MetricsChart,
  metrics: readonly MetricsRow[],
): LinePlot | undefined {
  const series = Object.entries(columns).flatMap(([column, name]) => {
    // Columns that are measured now and then have no gaps between: rows without a value are left out.
    const rows = metrics.filter((row) => row[column] !== undefined && !Number.isNaN(row[column]));
    if (rows.length === 0) return [];
    const values = { x: rows.map((row) => row[x] ?? NaN), y: rows.map((row) => row[column]!) };
    return [{ name, ...values, smooth: rows.length > 3 * smooth ? smooth : 1 }];
  });
  return series.length === 0 ? undefined : { ...plot, series };
}

function renderChart(chart: MetricsChart, metrics: readonly MetricsRow[]): Markup[] {
  const plot = metricsPlot(chart, metrics);
  return plot === undefined ? [] : [element("figure", { class: "chart" }, drawPlot(plot))];
}

/** A part of the page, left out where there is nothing to say. */
function section(heading: string, content: Markup | false | readonly Markup[]): Content {
  if (content === false || Array.isArray(content) && content.length === 0) return undefined;
  return element("section", {}, element("h2", {}, heading), content);
}

function renderFigures(figures: readonly KeyFigure[]): Markup {
  const items = figures.map(({ name, value, protocol }) =>
    element(
      "div",
      {},
      element("dt", {}, name),
      element("dd", { class: "value" }, value),
      element("dd", { class: "protocol" }, protocol),
    )
  );
  return element("dl", { class: "figures" }, items);
}

function renderPicture({ caption, ...picture }: ReportPicture): Markup {
  const src = "png" in picture
    ? `data:image/png;base64,${picture.png.toBase64()}`
    : `data:image/gif;base64,${picture.gif.toBase64()}`;
  return element(
    "figure",
    {},
    element("img", { alt: caption, src }),
    element("figcaption", {}, caption),
  );
}

function renderTexts({ caption, texts }: ReportTexts): Markup {
  const items = texts.map(({ prompt, text }) =>
    element(
      "li",
      { dir: "auto" },
      prompt !== undefined && element("p", { class: "prompt" }, prompt),
      element("p", {}, text),
    )
  );
  return element(
    "div",
    {},
    element("h3", {}, caption),
    element("ol", { class: "texts" }, items),
  );
}

/** A table of keys and values. Objects within become rows with dotted keys. */
function renderTable(object: JsonObject): Markup {
  const rows = flatten(object).map(([key, value]) =>
    element("tr", {}, element("th", { scope: "row" }, key), element("td", {}, value))
  );
  return element("div", { class: "scroll" }, element("table", {}, element("tbody", {}, rows)));
}

function flatten(object: JsonObject, prefix = ""): [string, string][] {
  return Object.entries(object).flatMap(([name, value]): [string, string][] => {
    const key = prefix + name;
    if (value === undefined) return [];
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
