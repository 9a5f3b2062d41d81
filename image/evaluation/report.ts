/** The results of `--evaluate` in a report. */
import type { LinePlot } from "../../report/plot.ts";
import type { KeyFigure } from "../../base/figure.ts";
import type { ReportSection, ReportTable } from "../../report/sections.ts";
import type { Evaluated } from "./evaluate.ts";
import {
  type Evaluation,
  evaluationRows,
  QUALITY_FIGURES,
  QUALITY_KEYS,
  rangeOf,
} from "./result_file.ts";
import type { TimestepLosses } from "./timestep_losses.ts";

export function evaluationTable(evaluation: Pick<Evaluation, "seeds" | "real">): ReportTable {
  const measured = QUALITY_KEYS.filter((key) => rangeOf(evaluation.seeds, key) !== undefined);
  return {
    columns: ["images", ...measured.map((key) => QUALITY_FIGURES[key].name)],
    rows: evaluationRows(evaluation).map(({ name, values }) => [
      name,
      ...measured.map((key) => {
        const value = values[key];
        return value === undefined ? "" : QUALITY_FIGURES[key].format(value);
      }),
    ]),
  };
}

/** The key figures of an evaluation, beside those of real images. Their protocols give ranges. */
export function evaluationFigures(evaluation: Evaluation): KeyFigure[] {
  const { seeds, real, protocol } = evaluation;
  const ofSamples = QUALITY_KEYS.flatMap((key): KeyFigure[] => {
    const { name, column, format } = QUALITY_FIGURES[key];
    const found = rangeOf(seeds, key);
    if (found === undefined) return [];
    const range = seeds.length === 1 ? [] : [`${format(found.low)} to ${format(found.high)}`];
    const reference = key === "classAgreement"
      ? evaluation.classifierAccuracy // on test images
      : real[key]!;
    const subset = key === "fid" && evaluation.subsetFid !== undefined
      ? [`equally many test images: ${format(evaluation.subsetFid)}`]
      : [];
    return [{
      name,
      value: format(found.mean),
      real: { value: format(reference) },
      protocol: [...range, protocol[column], ...subset, protocol["samples"]].join("; "),
    }];
  });
  return [
    ...ofSamples,
    ...(evaluation.bitsPerDimension === undefined ? [] : [{
      name: "Bits per dimension",
      value: evaluation.bitsPerDimension.toFixed(3),
      protocol: protocol["bits_per_dimension"]!,
    }]),
    {
      name: "Nearest training image",
      value: evaluation.nearestToSamples.toFixed(1),
      real: { value: evaluation.nearestToTestImages.toFixed(1) },
      protocol: protocol["nearest"]!,
    },
  ];
}

/** Charts of the loss and of the bound over the timesteps. */
function timestepPlots({ bits, losses, bitsPerDimension }: TimestepLosses): LinePlot[] {
  const x = Float64Array.from(bits, (_, timestep) => timestep);
  return [
    {
      title: "Loss by timestep, test images",
      xLabel: "timestep",
      yLabel: "mean squared error",
      yScale: "log",
      series: [{ name: "unweighted", x, y: losses }],
    },
    {
      title: "Variational bound by timestep, test images",
      xLabel: "timestep",
      yLabel: "bits per dimension",
      yScale: "log",
      series: [{ name: `sum with the prior: ${bitsPerDimension.toFixed(3)}`, x, y: bits }],
    },
  ];
}

export function evaluationSection({ evaluation, timesteps, neighbours }: Evaluated): ReportSection {
  const { protocol } = evaluation;
  return {
    heading: "Evaluation",
    table: evaluationTable(evaluation),
    notes: [
      `Samples: ${protocol["samples"]}.`,
      `Real images: ${protocol["real_images"]}.`,
    ],
    plots: timesteps === undefined ? [] : timestepPlots(timesteps),
    pictures: [{
      caption:
        "Samples and their nearest training images; the numbers are root mean squared differences " +
        "in grey levels",
      png: neighbours,
    }],
  };
}
