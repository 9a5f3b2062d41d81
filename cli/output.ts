/**
 * What the programs print. Standard output and standard error belong to the process, so what goes there is
 * chosen once for the process: everything, the essential (`--quiet`), or one JSON object (`--json`).
 */
import { resolve } from "node:path";
import type { KeyFigure } from "../base/figure.ts";
import { printable } from "../base/quote.ts";
import { toggle } from "./flag_kinds.ts";

/** The flags of what is printed. */
export const OUTPUT_FLAGS = {
  quiet: toggle({ help: "print warnings, errors and where the results are, and nothing else" }),
  json: toggle({
    help: "print one JSON object on standard output: the folder, the files and the figures; " +
      "everything else is printed on standard error",
  }),
};

/** What a run has made. */
export interface ProgramResult {
  readonly folder: string;
  /** Paths, by what the files are, such as `report`. */
  readonly files: Readonly<Record<string, string>>;
  readonly figures?: readonly KeyFigure[] | undefined;
  /** Samples as texts: each has its parts, such as `original` and `decoded`, by name. */
  readonly samples?: readonly Readonly<Record<string, string>>[] | undefined;
}

type Mode = "all" | "quiet" | "json";

let mode: Mode = "all";

/** Chooses what is printed from now on. */
export function setOutput({ quiet = false, json = false }: { quiet?: boolean; json?: boolean }) {
  mode = json ? "json" : quiet ? "quiet" : "all";
}

/** Prints a line that tells what the program does. */
export function print(line: string): void {
  if (mode === "all") console.log(line);
  else if (mode === "json") console.error(line);
}

/** Prints a line that the user must not miss. */
export function warn(line: string): void {
  console.error(line);
}

/** Writes progress, which may redraw its line. */
export function writeProgress(text: string): void {
  if (mode !== "quiet") Deno.stderr.writeSync(new TextEncoder().encode(text));
}

/** Prints a result: samples, a table of the figures, and the whole paths of the files. */
export function printResult(result: ProgramResult): void {
  const { folder, figures = [], samples = [] } = result;
  const files = Object.entries(result.files).map(([name, path]) => [name, resolve(path)] as const);
  if (mode === "json") {
    console.log(JSON.stringify({
      folder: resolve(folder),
      files: Object.fromEntries(files),
      figures,
      samples,
    }));
    return;
  }
  if (mode === "all") {
    for (const sample of samples) {
      const width = Math.max(...Object.keys(sample).map(({ length }) => length));
      for (const [name, text] of Object.entries(sample)) {
        console.log(`${name.padEnd(width)}  ${shown(text)}`);
      }
      console.log("");
    }
    figureLines(figures).forEach((line) => console.log(line));
  }
  for (const [name, path] of files) console.log(`${name}: ${path}`);
}

/** The most characters of a text that are printed. */
const LONGEST = 400;

/** A text on one line, cut if it is long. An empty one is named, because nothing would be seen. */
function shown(text: string): string {
  if (text.trim() === "") return "(empty)";
  const line = printable(text);
  return line.length <= LONGEST ? line : `${line.slice(0, LONGEST - 1)}…`;
}

/** A line for each figure, with those of real data beside them. */
function figureLines(figures: readonly KeyFigure[]): string[] {
  if (figures.length === 0) return [];
  const hasReal = figures.some(({ real }) => real !== undefined);
  const rows = figures.map(({ name, value, real }) => [name, value, real?.value ?? ""]);
  if (hasReal) rows.unshift(["", "samples", "real data"]);
  const widths = [0, 1].map((column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map(([name, value, real]) =>
    `${name!.padEnd(widths[0]!)}  ${value!.padEnd(widths[1]!)}  ${real}`.trimEnd()
  );
}
