/** Parts of a page: tables, charts and pictures under a heading. */
import { element, type Markup } from "./html.ts";
import { drawPlot, type LinePlot } from "./plot.ts";

export interface ReportTable {
  readonly columns: readonly string[];
  /** The first cell of each is its name. */
  readonly rows: readonly (readonly string[])[];
}

export type ReportPicture = {
  /** The text under the picture: what it shows and how it was made. */
  readonly caption: string;
} & ({ readonly png: Uint8Array } | { readonly gif: Uint8Array });

/** A section of a page. Its parts appear in the order in which they stand here. */
export interface ReportSection {
  readonly heading: string;
  readonly table?: ReportTable;
  readonly notes?: readonly string[];
  readonly plots?: readonly LinePlot[];
  readonly pictures?: readonly ReportPicture[];
}

export function renderPicture({ caption, ...picture }: ReportPicture): Markup {
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

function renderColumns({ columns, rows }: ReportTable): Markup {
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

export function renderSection(
  { table, notes = [], plots = [], pictures = [] }: ReportSection,
): Markup[] {
  return [
    ...(table === undefined ? [] : [renderColumns(table)]),
    ...notes.map((note) => element("p", { class: "summary" }, note)),
    ...plots.map((plot) => element("figure", { class: "chart" }, drawPlot(plot))),
    ...pictures.map(renderPicture),
  ];
}

/** A table as lines of text with aligned columns, for a terminal. */
export function tableLines({ columns, rows }: ReportTable): string[] {
  const lines = [columns, ...rows];
  const widths = columns.map((_, i) => Math.max(...lines.map((line) => (line[i] ?? "").length)));
  return lines.map((line) =>
    line.map((cell, i) => i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)).join("  ")
      .trimEnd()
  );
}
