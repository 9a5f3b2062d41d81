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

export interface ReportTexts {
  readonly caption: string;
  /** Whether all characters have the same width. @default {false} */
  readonly monospace?: boolean | undefined;
  readonly texts: readonly { readonly prompt?: string | undefined; readonly text: string }[];
}

/** A section of a page. Its parts appear in the order in which they stand here. */
export interface ReportSection {
  readonly heading: string;
  readonly table?: ReportTable;
  readonly notes?: readonly string[];
  readonly texts?: readonly ReportTexts[];
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

export function renderChart(plot: LinePlot): Markup {
  return element("figure", { class: "chart" }, drawPlot(plot));
}

/** The characters from which on a column is a wide one, of sentences. */
const SENTENCE = 60;

function renderColumns({ columns, rows }: ReportTable): Markup {
  const isLong = columns.map((_, i) => rows.some((row) => (row[i]?.length ?? 0) > SENTENCE));
  const head = columns.map((name) => element("th", { scope: "col" }, name));
  const body = rows.map(([name, ...cells]) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, name),
      cells.map((cell, i) => {
        const label = columns[i + 1];
        const isWide = isLong[i + 1] === true;
        return element("td", { "data-label": label, class: isWide ? "long" : undefined }, cell);
      }),
    )
  );
  return element(
    "div",
    { class: "scroll" },
    element(
      "table",
      { class: "columns" },
      element("thead", {}, element("tr", {}, head)),
      element("tbody", {}, body),
    ),
  );
}

export function renderTexts({ caption, texts, monospace = false }: ReportTexts): Markup {
  const items = texts.map(({ prompt, text }) =>
    element(
      "li",
      { dir: "auto" },
      prompt !== undefined && element("p", { class: "prompt" }, prompt),
      text.trim() === "" ? element("p", { class: "prompt" }, "(empty)") : element("p", {}, text),
    )
  );
  return element(
    "div",
    {},
    element("h3", {}, caption),
    element("ol", { class: monospace ? "texts monospace" : "texts" }, items),
  );
}

export function renderSection(
  { table, notes = [], texts = [], plots = [], pictures = [] }: ReportSection,
): Markup[] {
  return [
    ...(table === undefined ? [] : [renderColumns(table)]),
    ...notes.map((note) => element("p", { class: "summary" }, note)),
    ...texts.map(renderTexts),
    ...plots.map(renderChart),
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
