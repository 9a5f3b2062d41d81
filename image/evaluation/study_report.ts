/** How a report shows what `--study ddim` found. */
import { QUALITY_FIGURES } from "./result_file.ts";
import type { Quality } from "./quality.ts";
import type { StudyRow } from "./study_log.ts";
import type { ImageConfig } from "../flags.ts";
import type { LinePlot } from "../../report/plot.ts";
import type { ReportSection, ReportTable } from "../../report/sections.ts";

/** What a line of the table and of the chart is called. */
function nameOf({ eta }: Pick<StudyRow, "eta">): string {
  return eta === undefined ? "ddpm, larger variance" : `ddim, eta ${eta}`;
}

/** The rows by their names, in the order in which they come. */
function byName(rows: readonly StudyRow[]): [string, StudyRow[]][] {
  return [...Map.groupBy(rows, nameOf)];
}

/** A figure against steps, a row an eta. */
export function studyTable(rows: readonly StudyRow[], figure: keyof Quality): ReportTable {
  const steps = [...new Set(rows.map((row) => row.steps))].sort((a, b) => a - b);
  const { name, format } = QUALITY_FIGURES[figure];
  return {
    columns: [`${name}, steps`, ...steps.map(String)],
    rows: byName(rows).map(([name, of]) => [
      name,
      ...steps.map((count) => {
        const value = of.find((row) => row.steps === count)?.[figure];
        return value === undefined ? "" : format(value);
      }),
    ]),
  };
}

/** FID against steps, a line an eta. */
export function studyPlot(rows: readonly StudyRow[]): LinePlot {
  return {
    ...{ title: "FID by steps", xLabel: "steps", yLabel: "FID", xScale: "log", yScale: "log" },
    series: byName(rows).map(([name, of]) => {
      const rising = of.toSorted((a, b) => a.steps - b.steps);
      return { name, x: rising.map(({ steps }) => steps), y: rising.map(({ fid }) => fid) };
    }),
  };
}

/** The part of the page about a study. */
export function studySection(
  rows: readonly StudyRow[],
  real: Quality,
  { guidance, seed, timestepSpacing }: ImageConfig,
): ReportSection {
  const [fid, agreement] = [studyTable(rows, "fid"), studyTable(rows, "classAgreement")];
  const agrees = rows.some(({ classAgreement }) => classAgreement !== undefined);
  const samples = rows[0]?.samples ?? 0;
  return {
    heading: "Steps and eta",
    table: {
      columns: fid.columns,
      rows: agrees ? [...fid.rows, agreement.columns, ...agreement.rows] : fid.rows,
    },
    notes: [
      `FID of ${samples.toLocaleString("en")} samples a row against the test images, on the ` +
      `features of this project's classifier; ${timestepSpacing} steps, guidance ${guidance}, ` +
      `averaged weights, seed ${seed}. As many training images score ${real.fid.toFixed(2)}.`,
      `Drawing and measuring took ${
        (rows.reduce((sum, { seconds }) => sum + seconds, 0) / 60).toFixed(0)
      } minutes in all.`,
    ],
    plots: [studyPlot(rows)],
  };
}
