/** The report of an image run: columns of metrics.csv, charts, figures and captions. */
import type { KeyFigure } from "../base/figure.ts";
import { print, printResult } from "../cli/output.ts";
import type { RunFolder } from "../cli/run_folder.ts";
import { readTrainingTime, trainingSummary } from "../cli/training_time.ts";
import type { ImageSet } from "../datasets/image_set.ts";
import type { Device } from "../engine/device.ts";
import { type MetricsChart, type Report, writeReport } from "../report/report.ts";
import type { ReportPicture } from "../report/sections.ts";
import { DIFFUSION_COLUMNS } from "../training/validation_loss.ts";
import { type MetricsRow, readMetrics } from "../training/metrics.ts";
import { type ImageRun, settingsInUse } from "./config.ts";
import { FASHION } from "./data.ts";
import { countParameters } from "../nn/parameters.ts";
import type { ImageConfig } from "./flags.ts";
import { picturesIn } from "./sampling/pictures.ts";

/** Columns of metrics.csv. */
export const IMAGE_METRICS = [...DIFFUSION_COLUMNS, "imagesPerSecond"] as const;

export const IMAGE_CHARTS: MetricsChart[] = [
  {
    title: "Loss",
    xLabel: "step",
    columns: {
      loss: "training (weighted)",
      valLoss: "held-out images (unweighted, averaged weights)",
    },
    yLabel: "loss",
    yScale: "log",
  },
  {
    title: "Held-out loss by quarter of the timesteps",
    xLabel: "step",
    columns: {
      valLossQ0: "least noise",
      valLossQ1: "second quarter",
      valLossQ2: "third quarter",
      valLossQ3: "most noise",
    },
    yLabel: "mean squared error",
    yScale: "log",
  },
  { title: "Gradient norm", xLabel: "step", yLabel: "norm", columns: { gradNorm: "norm" } },
];

/** The sampling settings in words, except for the number of samples and the seed. */
export function samplingSettings(config: ImageConfig): string {
  const { sampler, sampleSteps, respacing, sampleTimesteps, guidance } = config;
  const { guidanceRescale, guidanceLow, guidanceHigh, dynamicThreshold } = config;
  const isSolver = sampler.startsWith("dpmpp") || sampler === "unipc";
  return [
    sampler,
    isSolver && `order ${config.solverOrder}`,
    `${sampleSteps} steps`,
    sampleTimesteps !== undefined && `timesteps ${sampleTimesteps.join(" ")}`,
    respacing !== undefined && `respacing ${respacing}`,
    config.sigmaSpacing !== "timesteps" && `${config.sigmaSpacing} sigmas`,
    sampler === "ddim" && `eta ${config.eta}`,
    sampler === "ddpm" && `variance ${config.varianceType}`,
    sampler === "flow_euler" && config.flowShift !== 1 && `shift ${config.flowShift}`,
    `guidance ${guidance}`,
    guidanceRescale > 0 && `rescaled by ${guidanceRescale}`,
    guidanceLow > 0 && `above sigma ${guidanceLow}`,
    guidanceHigh > 0 && `up to sigma ${guidanceHigh}`,
    dynamicThreshold > 0 && `dynamic threshold ${dynamicThreshold}`,
    "averaged weights",
  ].filter((part) => part !== false).join(", ");
}

/** The caption of a grid: everything that decides the samples. */
export function samplingProtocol(config: ImageConfig): string {
  return `${config.samples} samples with ${samplingSettings(config)}, seed ${config.seed}`;
}

/** The key figures of a training, from the last row of the metrics that has a validation loss. */
export function keyFigures(rows: readonly MetricsRow[], config: ImageConfig): KeyFigure[] {
  const last = rows.findLast(({ valLoss }) => valLoss !== undefined);
  if (last === undefined) return [];
  const target = config.objective === "flow_matching" ? "the velocity" : config.predictionType;
  return [{
    name: "Validation loss",
    value: last["valLoss"]!.toFixed(4),
    protocol: `unweighted mean squared error of ${target} on ${config.validationSize} held-out ` +
      `images, averaged weights, step ${last.step}, the same noise in all runs`,
  }];
}

/** A warning if the data is only the bundled sample. */
export function dataWarnings(data: ImageSet): string[] {
  return data.origin === "sample" ? [data.description] : [];
}

function nameOf(images: ImageSet): string {
  return images.classNames === FASHION.classNames
    ? "FashionMNIST"
    : images.place.split(/[/\\]/).at(-1)!;
}

export type EvaluationReport = Required<Pick<Report, "figures" | "sections" | "warnings">>;

/** Writes report.html into the folder of a run, and prints the figures. */
export async function reportRun(
  { directory, record }: Pick<RunFolder, "directory" | "record">,
  { config, specs }: Pick<ImageRun, "config" | "specs">,
  { device, data, samples: { png, gif }, evaluated }: {
    readonly device: Pick<Device, "threads">;
    readonly data: ImageSet;
    readonly samples: { readonly png: Uint8Array; readonly gif?: Uint8Array | undefined };
    readonly evaluated: EvaluationReport | undefined;
  },
): Promise<void> {
  const metrics = await readMetrics(`${directory}/metrics.csv`);
  const figures = [...keyFigures(metrics, config), ...evaluated?.figures ?? []];
  const pictures: ReportPicture[] = [{ caption: samplingProtocol(config), png }];
  if (gif !== undefined) {
    pictures.push({ caption: "A sample of each class, from noise to image", gif });
  }
  const time = await readTrainingTime(directory);
  const summary = trainingSummary(time, { config, unit: "images", device });
  const report = await writeReport(directory, {
    title: `${nameOf(data)}, ${config.denoiser === "unet" ? "UNet" : "DiT"} of ` +
      `${countParameters(specs).toLocaleString("en")} parameters, ${config.steps} steps`,
    summary: `${summary} ${record.sessions.at(-1)!.started.slice(0, 10)}: deno task ${
      record.sessions.at(-1)!.command.join(" ")
    }`,
    warnings: [...dataWarnings(data), ...evaluated?.warnings ?? []],
    figures,
    pictures,
    metrics,
    charts: IMAGE_CHARTS,
    sections: evaluated?.sections ?? [],
    config: settingsInUse(config),
    origin: record,
  });
  print(summary);
  printResult({
    folder: directory,
    files: { ...await picturesIn(`${directory}/samples`), report },
    figures,
  });
}
