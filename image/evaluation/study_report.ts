/** The results of `--study ddim` in a report. */
import type { LinePlot } from "../../report/plot.ts";
import type { ReportSection, ReportTable } from "../../report/sections.ts";
import type { ImageConfig } from "../flags.ts";
import type { Quality } from "./quality.ts";
import { QUALITY_FIGURES } from "./result_file.ts";
import type { StudyRow } from "./study_log.ts";

/** The name of a row of the table and of a line of the chart. */
function nameOf({ eta }: Pick<StudyRow, "eta">): string {
  return eta === undefined ? "ddpm, larger variance" : `ddim, eta ${eta}`;
}

function byName(rows: readonly StudyRow[]): [string, StudyRow[]][] {
  return [...Map.groupBy(rows, nameOf)];
}

/** A table of a figure: a row per eta, a column per number of steps. */
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

/** A chart of FID over the number of steps: a line per eta. */
export function studyPlot(rows: readonly StudyRow[]): LinePlot {
  return {
    title: "FID by number of steps",
    xLabel: "steps",
    yLabel: "FID",
    xScale: "log",
    yScale: "log",
    series: byName(rows).map(([name, of]) => {
      const rising = of.toSorted((a, b) => a.steps - b.steps);
      return { name, x: rising.map(({ steps }) => steps), y: rising.map(({ fid }) => fid) };
    }),
  };
}

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
      `FID of ${samples.toLocaleString("en")} samples per entry against the test images, on the ` +
      `features of this project's classifier; ${timestepSpacing} timesteps, guidance ${guidance}, ` +
      `averaged weights, seed ${seed}. FID of equally many training images: ${
        real.fid.toFixed(2)
      }.`,
      `Sampling and evaluation took ${
        (rows.reduce((sum, { seconds }) => sum + seconds, 0) / 60).toFixed(0)
      } minutes in total.`,
    ],
    plots: [studyPlot(rows)],
  };
}
