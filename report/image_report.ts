/** What image.ts measures, and how its report shows it. */
import type { ImageConfig } from "../training/image_flags.ts";
import type { MetricsRow } from "../training/metrics.ts";
import type { KeyFigure, MetricsChart } from "./report.ts";

/** Columns of metrics.csv. Q0 to Q3 are quarters of the time steps, from clean to noisy. */
export const IMAGE_METRICS = [
  ...["loss", "lossQ0", "lossQ1", "lossQ2", "lossQ3"] as const,
  ...["valLoss", "valLossQ0", "valLossQ1", "valLossQ2", "valLossQ3"] as const,
  ...["gradNorm", "learningRate", "imagesPerSecond"] as const,
];

/** The charts of a report. */
export const IMAGE_CHARTS: MetricsChart[] = [
  {
    title: "Loss",
    xLabel: "step",
    columns: { loss: "training (weighted)", valLoss: "validation (moving average)" },
    yLabel: "mean squared error",
    yScale: "log",
  },
  {
    title: "Validation loss by quarter of the time steps",
    xLabel: "step",
    columns: {
      valLossQ0: "cleanest",
      valLossQ1: "second",
      valLossQ2: "third",
      valLossQ3: "noisiest",
    },
    yLabel: "mean squared error",
    yScale: "log",
  },
  { title: "Norm of the gradients", xLabel: "step", yLabel: "norm", columns: { gradNorm: "norm" } },
];

/** How the samples were drawn, in words. */
export function samplingProtocol(
  { sampler, sampleSteps, eta, guidance, seed, samples }: ImageConfig,
): string {
  const noise = sampler === "ddim" ? `, eta ${eta}` : "";
  return `${samples} samples by ${sampler}, ${sampleSteps} steps${noise}, guidance ${guidance}, ` +
    `averaged weights, seed ${seed}`;
}

/** The figures of a report, from the last row that has them. */
export function keyFigures(rows: readonly MetricsRow[], config: ImageConfig): KeyFigure[] {
  const last = rows.findLast(({ valLoss }) => valLoss !== undefined);
  if (last === undefined) return [];
  return [{
    name: "Validation loss",
    value: last["valLoss"]!.toFixed(4),
    protocol: `mean squared error of ${config.predictionType}, unweighted, on ` +
      `${config.validationSize} held-out images, averaged weights, step ${last.step}, fixed noise`,
  }];
}
