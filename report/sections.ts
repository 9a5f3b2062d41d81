/** Parts of a report's page that a program fills itself: a table, charts and pictures under a heading. */
import { element, type Markup } from "./html.ts";
import { drawPlot, type LinePlot } from "./plot.ts";
import type { ReportPicture } from "./report.ts";

/** A table: names above its columns, and a name before each row. */
export interface ReportTable {
  /** The names of the columns, that of the rows first. */
  readonly columns: readonly string[];
  /** The rows, each with its name first. */
  readonly rows: readonly (readonly string[])[];
}

/** A part of the page. */
export interface ReportSection {
  /** Its heading. */
  readonly heading: string;
  /** What is to be known about it. @default [] */
  readonly notes?: readonly string[];
  /** Its table. */
  readonly table?: ReportTable;
  /** Its charts. @default [] */
  readonly plots?: readonly LinePlot[];
  /** Its pictures. @default [] */
  readonly pictures?: readonly ReportPicture[];
}

/** A table as HTML. Every text in it is escaped. */
export function renderColumns({ columns, rows }: ReportTable): Markup {
  const head = element("tr", {}, columns.map((name) => element("th", { scope: "col" }, name)));
  const body = rows.map(([name, ...cells]) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, name),
      cells.map((cell) => element("td", {}, cell)),
    )
  );
  return element(
    "div",
    { class: "scroll" },
    element("table", {}, element("thead", {}, head), element("tbody", {}, body)),
  );
}

/**
 * The content of a part.
 *
 * @param renderPicture How pictures are shown.
 */
export function renderSection(
  { notes = [], table, plots = [], pictures = [] }: ReportSection,
  renderPicture: (picture: ReportPicture) => Markup,
): Markup[] {
  return [
    ...(table === undefined ? [] : [renderColumns(table)]),
    ...notes.map((note) => element("p", { class: "summary" }, note)),
    ...plots.map((plot) => element("figure", { class: "chart" }, drawPlot(plot))),
    ...pictures.map(renderPicture),
  ];
}

/** A table as lines of text, its columns aligned, for a terminal. */
export function tableLines({ columns, rows }: ReportTable): string[] {
  const lines = [columns, ...rows];
  const widths = columns.map((_, i) => Math.max(...lines.map((line) => (line[i] ?? "").length)));
  return lines.map((line) =>
    line.map((cell, i) => i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)).join("  ")
      .trimEnd()
  );
}
