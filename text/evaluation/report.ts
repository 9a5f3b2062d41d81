/** The denoiser's parts of the report: its training, samples and evaluation. */
import type { KeyFigure } from "../../base/figure.ts";
import type { Device } from "../../engine/device.ts";
import type { TextEvaluation } from "./evaluate.ts";
import type { SampledText, TextSamples } from "../sampling/session.ts";
import { readFileIfExists } from "../../base/files.ts";
import { parseJsonObject } from "../../base/json.ts";
import { type MetricsRow, readMetrics } from "../../training/metrics.ts";
import type { DenoiserConfig } from "../settings.ts";
import type { ReportSection, ReportTexts } from "../../report/sections.ts";
import { type MetricsChart, metricsPlots } from "../../report/report.ts";
import { readTrainingTime, trainingSummary } from "../../cli/training_time.ts";

/** Sampled texts in the report, and steps of each trajectory. */
const [SHOWN, SHOWN_STEPS] = [20, 10] as const;

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
function denoiserFigures(
  rows: readonly MetricsRow[],
  { validationSize: examples }: Pick<DenoiserConfig, "validationSize">,
): KeyFigure[] {
  const last = rows.findLast(({ valLoss }) => valLoss !== undefined);
  if (last === undefined) return [];
  return [{
    name: "Validation loss of the denoiser",
    value: last["valLoss"]!.toFixed(4),
    protocol:
      `mean squared error of normalized latents, at most ${examples} held-out examples, noise ` +
      `levels sampled uniformly, no loss weights, averaged weights, step ${last.step}`,
  }];
}

export function evaluationSection({ figures, leftOut, curve }: TextEvaluation): ReportSection {
  return {
    heading: "Evaluation",
    notes: leftOut.map(({ name, reason }) => `${name} is left out: ${reason}.`),
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

/** The denoiser's training in the report. @param directory The folder of the denoiser's run. */
export async function denoiserSection(
  directory: string,
  { config, device }: { config: DenoiserConfig; device: Pick<Device, "threads"> },
): Promise<ReportSection> {
  const rows = await readMetrics(`${directory}/metrics.csv`);
  const time = await readTrainingTime(directory);
  const figures = denoiserFigures(rows, config);
  return {
    heading: "Training of the denoiser",
    ...figures.length > 0 && {
      table: {
        columns: ["figure", "value", "protocol"],
        rows: figures.map(({ name, value, protocol }) => [name, value, protocol]),
      },
    },
    notes: [trainingSummary(time, { config, unit: "texts", device })],
    plots: metricsPlots(CHARTS, rows),
  };
}

/** Sampled texts in the report. */
export function sampledTexts({ texts }: Pick<TextSamples, "texts">): ReportTexts[] {
  if (texts.length === 0) return [];
  return [{
    caption: "Sampled texts, the first ones, not chosen",
    texts: texts.slice(0, SHOWN).map(({ prompt, text }) => ({ text, prompt })),
  }];
}

/** The steps of some samples in the report, from `trajectory.jsonl`, if that was written. */
export async function trajectoryTexts(samplesFolder: string): Promise<ReportTexts[]> {
  const path = `${samplesFolder}/trajectory.jsonl`;
  const bytes = await readFileIfExists(path);
  if (bytes === undefined) return [];
  const lines = new TextDecoder().decode(bytes).trimEnd().split("\n")
    .map((line) => parseJsonObject(line, path));
  const samples = Map.groupBy(lines, ({ sample }) => Number(sample));
  return [...samples].map(([sample, steps]) => {
    const every = Math.ceil(steps.length / SHOWN_STEPS);
    const shown = steps.filter((_, i) => (steps.length - 1 - i) % every === 0);
    return {
      caption: `Sample ${sample + 1}, denoised: the text of the predicted clean latents`,
      texts: shown.map(({ step, timestep, text }) => ({
        prompt: `step ${step}, timestep ${timestep}`,
        text: String(text),
      })),
    };
  });
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
