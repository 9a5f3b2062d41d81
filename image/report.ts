/** What image.ts measures, and how its report shows it. */
import type { ImageConfig } from "./flags.ts";
import type { MetricsRow } from "../training/metrics.ts";
import type { KeyFigure, MetricsChart } from "../report/report.ts";

/** Columns of metrics.csv. Q0 to Q3 are quarters of the timesteps, from clean to noisy. */
export const IMAGE_METRICS = [
  "loss",
  "lossQ0",
  "lossQ1",
  "lossQ2",
  "lossQ3",
  "valLoss",
  "valLossQ0",
  "valLossQ1",
  "valLossQ2",
  "valLossQ3",
  "gradNorm",
  "skippedSteps",
  "learningRate",
  "imagesPerSecond",
] as const;

/** The charts of a report. */
export const IMAGE_CHARTS: MetricsChart[] = [
  {
    title: "Loss",
    xLabel: "step",
    columns: { loss: "training (weighted)", valLoss: "validation (mean squared, average)" },
    yLabel: "loss",
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

/** How samples are drawn, in words: all that decides them but their number and the seed. */
export function samplingSettings(config: ImageConfig): string {
  const { sampler, sampleSteps, respacing, sampleTimesteps, guidance } = config;
  const { guidanceRescale, guidanceLow, guidanceHigh, dynamicThreshold } = config;
  const solver = sampler.startsWith("dpmpp") || sampler === "unipc";
  return [
    sampler,
    ...solver ? [`order ${config.solverOrder}`] : [],
    `${sampleSteps} steps`,
    ...sampleTimesteps === undefined ? [] : [`timesteps ${sampleTimesteps.join(" ")}`],
    ...respacing === undefined ? [] : [`respacing ${respacing}`],
    ...config.sigmaSpacing === "timesteps" ? [] : [`${config.sigmaSpacing} sigmas`],
    ...sampler === "ddim" ? [`eta ${config.eta}`] : [],
    ...sampler === "ddpm" ? [`variance ${config.varianceType}`] : [],
    ...sampler === "flow_euler" && config.flowShift !== 1 ? [`shift ${config.flowShift}`] : [],
    `guidance ${guidance}`,
    ...guidanceRescale === 0 ? [] : [`rescaled by ${guidanceRescale}`],
    ...guidanceLow === 0 ? [] : [`above sigma ${guidanceLow}`],
    ...guidanceHigh === 0 ? [] : [`up to sigma ${guidanceHigh}`],
    ...dynamicThreshold === 0 ? [] : [`dynamic threshold ${dynamicThreshold}`],
    "averaged weights",
  ].join(", ");
}

/** How the samples were drawn, in words. */
export function samplingProtocol(config: ImageConfig): string {
  return `${config.samples} samples by ${samplingSettings(config)}, seed ${config.seed}`;
}

/** The figures of a report, from the last row that has them. */
export function keyFigures(rows: readonly MetricsRow[], config: ImageConfig): KeyFigure[] {
  const last = rows.findLast(({ valLoss }) => valLoss !== undefined);
  if (last === undefined) return [];
  const predicted = config.objective === "flow_matching" ? "the velocity" : config.predictionType;
  return [{
    name: "Validation loss",
    value: last["valLoss"]!.toFixed(4),
    protocol: `mean squared error of ${predicted}, unweighted, on ` +
      `${config.validationSize} held-out images, averaged weights, step ${last.step}, fixed noise`,
  }];
}
