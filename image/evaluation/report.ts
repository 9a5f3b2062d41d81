/** How a report shows what `--evaluate` found. */
import {
  type Evaluation,
  evaluationRows,
  QUALITY_FIGURES,
  QUALITY_KEYS,
  spreadOf,
} from "./result_file.ts";
import type { Evaluated } from "./evaluate.ts";
import type { TimestepLosses } from "./timestep_losses.ts";
import type { LinePlot } from "../../report/plot.ts";
import type { KeyFigure } from "../../report/report.ts";
import type { ReportSection, ReportTable } from "../../report/sections.ts";

/** The table of an evaluation. */
export function evaluationTable(evaluation: Pick<Evaluation, "seeds" | "real">): ReportTable {
  const measured = QUALITY_KEYS.filter((key) => spreadOf(evaluation.seeds, key) !== undefined);
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

/** The figures of an evaluation, each with its protocol. */
export function evaluationFigures(evaluation: Evaluation): KeyFigure[] {
  const { seeds, real, protocol } = evaluation;
  const ofSamples = QUALITY_KEYS.flatMap((key): KeyFigure[] => {
    const { name, column, format } = QUALITY_FIGURES[key];
    const found = spreadOf(seeds, key);
    if (found === undefined) return [];
    const range = seeds.length === 1 ? [] : [`${format(found.low)} to ${format(found.high)}`];
    const floor = key === "classAgreement"
      ? `the classifier finds the class of ${
        format(evaluation.classifierAccuracy)
      } of the test images`
      : `real images: ${format(real[key]!)}`;
    const part = key === "fid" && evaluation.partFid !== undefined
      ? [`as many of the test images themselves: ${format(evaluation.partFid)}`]
      : [];
    return [{
      name,
      value: format(found.mean),
      protocol: [...range, protocol[column], floor, ...part, protocol["samples"]].join("; "),
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
      protocol: `${protocol["nearest"]}; of test images: ${
        evaluation.nearestToTestImages.toFixed(1)
      }`,
    },
  ];
}

/** The charts of the loss and the bound, timestep by timestep. */
function timestepPlots({ bits, losses, bitsPerDimension }: TimestepLosses): LinePlot[] {
  const x = Float64Array.from(bits, (_, timestep) => timestep);
  const axes = { xLabel: "timestep", yScale: "log" } as const;
  return [
    {
      ...{ ...axes, title: "Loss by timestep, test images", yLabel: "mean squared error" },
      series: [{ name: "unweighted", x, y: losses }],
    },
    {
      ...{ ...axes, title: "Variational bound by timestep, test images" },
      yLabel: "bits per dimension",
      series: [{ name: `${bitsPerDimension.toFixed(3)} in all, with the prior's`, x, y: bits }],
    },
  ];
}

/** The part of the page about an evaluation. */
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
        "Samples and the training images nearest to them, with the root of the mean squared " +
        "difference in grey levels below",
      png: neighbours,
    }],
  };
}
