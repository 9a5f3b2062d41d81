/** The report of a denoiser: its training, samples and evaluation. */
import type { KeyFigure } from "../../base/figure.ts";
import type { Device } from "../../engine/device.ts";
import type { TextEvaluation } from "./evaluate.ts";
import type { SampledText, TextSamples } from "../sampling/session.ts";
import { type MetricsRow, readMetrics } from "../../training/metrics.ts";
import type { RunFolder } from "../../cli/run_folder.ts";
import type { TextData } from "../examples.ts";
import { type DenoiserConfig, flatSettings } from "../settings.ts";
import type { ReportSection } from "../../report/sections.ts";
import { type MetricsChart, writeReport } from "../../report/report.ts";
import type { ProgramResult } from "../../cli/output.ts";
import { readTrainingTime, trainingSummary } from "../../cli/training_time.ts";

const SHOWN = 20;

const CHARTS: MetricsChart[] = [
  {
    title: "Loss",
    xLabel: "step",
    columns: { loss: "training", valLoss: "validation (average)" },
    yLabel: "loss",
    yScale: "log",
  },
  {
    title: "Validation loss by noise level",
    xLabel: "step",
    columns: {
      valLossQ0: "cleanest quarter",
      valLossQ1: "second",
      valLossQ2: "third",
      valLossQ3: "noisiest",
    },
    yLabel: "loss",
    yScale: "log",
  },
  { title: "Norm of the gradients", xLabel: "step", yLabel: "norm", columns: { gradNorm: "norm" } },
];

/** The figures of training, from the last row that has them. */
function denoiserFigures(rows: readonly MetricsRow[], examples: number): KeyFigure[] {
  const last = rows.findLast(({ valLoss }) => valLoss !== undefined);
  if (last === undefined) return [];
  return [{
    name: "Validation loss",
    value: last["valLoss"]!.toFixed(4),
    protocol:
      `mean squared error of normalized latents, at most ${examples} held-out examples, noise ` +
      `levels sampled uniformly, no loss weights, averaged weights, step ${last.step}`,
  }];
}

export function evaluationSection({ figures, curve }: TextEvaluation): ReportSection {
  return {
    heading: "Evaluation",
    table: {
      columns: ["figure", "value", "real texts", "protocol"],
      rows: figures.map((figure) => {
        return [figure.name, figure.value, figure.real?.value ?? "", figure.protocol];
      }),
    },
    plots: curve.length === 0 ? [] : [{
      title: "BLEU of texts whose latents are noised and denoised in one step",
      xLabel: "share of the variance that is signal",
      yLabel: "BLEU",
      series: [{
        name: "one step",
        x: curve.map(({ alphaCumprod }) => alphaCumprod),
        y: curve.map(({ bleu }) => bleu),
      }],
    }],
  };
}

/** Texts that the program prints. */
const PRINTED = 3;

/** Writes the report of a denoiser. */
export async function reportDenoiser(
  { directory, record }: Pick<RunFolder, "directory" | "record">,
  { device, data, dataset, config, samples, evaluation, log }: {
    readonly dataset: string;
    readonly device: Pick<Device, "threads">;
    readonly data: Pick<TextData, "origin" | "description">;
    readonly config: DenoiserConfig;
    readonly samples: Pick<TextSamples, "figures" | "texts">;
    readonly evaluation?: TextEvaluation | undefined;
    readonly log: (line: string) => void;
  },
): Promise<ProgramResult> {
  const time = await readTrainingTime(directory);
  const summary = trainingSummary(time, { config, unit: "texts", device });
  const rows = await readMetrics(`${directory}/metrics.csv`);
  const trainingFigures = denoiserFigures(rows, config.validationSize);
  const figures = [...trainingFigures, ...samples.figures];
  const report = await writeReport(directory, {
    title: directory.split("/").slice(-2).join("/"),
    summary,
    warnings: data.origin === "sample" ? [data.description] : [],
    figures,
    texts: samples.texts.length === 0 ? [] : [{
      caption: "Sampled texts, the first ones, not chosen",
      texts: samples.texts.slice(0, SHOWN).map(({ prompt, text }) => ({ text, prompt })),
    }],
    metrics: rows,
    charts: CHARTS,
    sections: evaluation === undefined ? [] : [evaluationSection(evaluation)],
    config: flatSettings({ denoiser: config }),
    origin: record,
  });
  log(summary);
  const printed: readonly KeyFigure[] = evaluation === undefined
    ? figures
    : [...trainingFigures, ...evaluation.figures];
  return {
    folder: directory,
    files: samples.texts.length === 0
      ? { report }
      : { samples: `${directory}/samples/samples.jsonl`, report },
    figures: printed,
    samples: samples.texts.slice(0, PRINTED).map((sample) => partsOf(sample, dataset)),
  };
}

/** A sample by parts, as the program prints it. Digits of multiplication are put the right way round. */
export function partsOf(
  { prompt, text, reference }: SampledText,
  dataset: string,
): Record<string, string> {
  const shown = (text: string) => dataset === "multiplication" ? numbersOf(text) : text;
  if (reference === undefined) {
    return prompt === undefined ? { sample: text } : { given: prompt, sample: text };
  }
  const answer = (text: string) => shown(text.split("####").at(-1)!.trim());
  return {
    problem: shown(prompt ?? ""),
    answered: text.includes("####") ? answer(text) : text,
    right: answer(reference),
  };
}

/** Numbers whose digits stand apart, the last one first: "1 7 * 7 5" becomes "71 * 57". */
function numbersOf(text: string): string {
  return text.replace(/\d(?: \d)*/g, (digits) => digits.split(" ").reverse().join(""));
}
