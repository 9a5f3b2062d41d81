/** What text.ts measures, and how its report shows it. */
import type { TextConfig } from "../training/text_flags.ts";
import type { MetricsRow } from "../training/metrics.ts";
import type { KeyFigure, MetricsChart } from "./report.ts";

/** Columns of metrics.csv. */
export const TEXT_METRICS = [
  ...["loss", "reconstruction", "divergence"] as const,
  ...["valLoss", "valPerplexity", "valTokenAccuracy"] as const,
  ...["gradNorm", "learningRate", "textsPerSecond"] as const,
];

/** The charts of a report. */
export const TEXT_CHARTS: MetricsChart[] = [
  {
    title: "Reconstruction",
    xLabel: "step",
    columns: { reconstruction: "training", valLoss: "validation (average)" },
    yLabel: "nats a token",
    yScale: "log",
  },
  {
    title: "Token accuracy on held-out texts, each token given those before it",
    xLabel: "step",
    columns: { valTokenAccuracy: "validation (average)" },
    yLabel: "share of tokens",
  },
  { title: "Divergence", xLabel: "step", yLabel: "nats a text", columns: { divergence: "KL" } },
  { title: "Norm of the gradients", xLabel: "step", yLabel: "norm", columns: { gradNorm: "norm" } },
];

/** The figures of a report, from the last row that has them. */
export function textFigures(rows: readonly MetricsRow[], config: TextConfig): KeyFigure[] {
  const last = rows.findLast(({ valLoss }) => valLoss !== undefined);
  if (last === undefined) return [];
  const protocol = `${config.validationSize} held-out texts at most, cut to ${config.maxTokens} ` +
    `tokens, each token given those before it and the latents, averaged weights, step ${last.step}`;
  return [
    {
      name: "Validation loss",
      value: last["valLoss"]!.toFixed(4),
      protocol: `nats a token, ${protocol}`,
    },
    {
      name: "Token accuracy",
      value: `${(100 * last["valTokenAccuracy"]!).toFixed(2)} %`,
      protocol,
    },
  ];
}
