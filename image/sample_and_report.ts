/** The end of an image run: samples, figures if they were asked for, and the report. */
import type { Device } from "../engine/device.ts";
import type { JsonObject } from "../base/json.ts";
import { IMAGE_CHARTS, keyFigures, samplingProtocol } from "./report.ts";
import { figureLine, writeReport } from "../report/report.ts";
import type { FashionMnist } from "../datasets/fashion_mnist.ts";
import type { HostParameters } from "../nn/parameters.ts";
import type { ImageRun } from "./run.ts";
import { readMetrics } from "../training/metrics.ts";
import type { RunFolder } from "../cli/run_folder.ts";
import { type prepareEvaluation, runEvaluation } from "./evaluation/tool.ts";
import { sampleGrid } from "./sampling/grid.ts";

/** A trained model, and what belongs to its run. */
export interface TrainedImageRun {
  /** The settings and the network. */
  readonly run: ImageRun;
  /** The run's folder. */
  readonly folder: Pick<RunFolder, "directory" | "record">;
  /** The moving average of the weights. */
  readonly parameters: HostParameters;
  /** The class to sample, if not all. */
  readonly only: number | undefined;
  /** The data set. */
  readonly data: FashionMnist;
  /** What to measure, if anything. */
  readonly evaluation: Awaited<ReturnType<typeof prepareEvaluation>> | undefined;
  /** How the training went, in words. */
  readonly summary: string;
}

/** Samples from a trained model, evaluates it if that was asked for, and writes the report. */
export async function sampleAndReport(
  device: Device,
  { run, folder, parameters, only, data, evaluation, summary }: TrainedImageRun,
): Promise<void> {
  const { config, network, schedule } = run;
  const { directory, record } = folder;
  const model = { parameters, config: network.config, schedule };
  const path = `${directory}/samples/grid.png`;
  const animation = `${directory}/samples/trajectory.gif`;
  const png = await sampleGrid(device, model, config, { path, only, animation });
  const gif = await Deno.readFile(animation);
  const evaluated = evaluation === undefined ? undefined : await runEvaluation(
    device,
    { ...evaluation, model, config, source: directory },
    directory,
  );
  const rows = await readMetrics(`${directory}/metrics.csv`);
  const figures = [...keyFigures(rows, config), ...evaluated?.figures ?? []];
  const report = await writeReport(directory, {
    title: directory.slice(directory.lastIndexOf("/") + 1),
    summary,
    warnings: [
      ...data.origin === "sample" ? [data.description] : [],
      ...evaluated?.warnings ?? [],
    ],
    figures,
    pictures: [
      { caption: samplingProtocol(config), png },
      { caption: "A sample of each class on its way from noise", gif },
    ],
    metrics: rows,
    charts: IMAGE_CHARTS,
    sections: evaluated?.sections ?? [],
    config: config as unknown as JsonObject,
    origin: record as unknown as JsonObject,
  });
  console.log(summary);
  figures.forEach((figure) => console.log(figureLine(figure)));
  console.log(`report: ${report}`);
}
