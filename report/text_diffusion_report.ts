/** What a denoiser of text latents is measured by, and how its report shows it. */
import type { MetricsRow } from "../training/metrics.ts";
import type { KeyFigure, MetricsChart, ReportTexts } from "./report.ts";

/** Texts that a report shows. */
const SHOWN = 20;

/** The charts of a report. */
export const TEXT_DIFFUSION_CHARTS: MetricsChart[] = [
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
export function denoiserFigures(rows: readonly MetricsRow[], examples: number): KeyFigure[] {
  const last = rows.findLast(({ valLoss }) => valLoss !== undefined);
  if (last === undefined) return [];
  return [{
    name: "Validation loss",
    value: last["valLoss"]!.toFixed(4),
    protocol:
      `squared error a number of normalised latents, ${examples} held-out examples at most, ` +
      `noise levels drawn uniformly, nothing weighed, averaged weights, step ${last.step}`,
  }];
}

/** Sampled texts as the report shows them. */
export function shownTexts(
  texts: readonly { readonly prompt?: string; readonly text: string }[],
  caption: string,
): ReportTexts[] {
  if (texts.length === 0) return [];
  return [{
    caption,
    texts: texts.slice(0, SHOWN).map(({ prompt, text }) => ({
      text,
      ...(prompt === undefined ? {} : { prompt }),
    })),
  }];
}
