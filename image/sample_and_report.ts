/** What becomes of a trained model in image.ts: samples, figures where they are asked for, a report. */
import type { Device } from "../engine/device.ts";
import type { JsonObject } from "../base/json.ts";
import { IMAGE_CHARTS, keyFigures, samplingProtocol } from "./report.ts";
import { figureLine, writeReport } from "../report/report.ts";
import type { loadImages } from "./data.ts";
import type { ImageConfig } from "./flags.ts";
import { readMetrics } from "../training/metrics.ts";
import type { RunFolder } from "../cli/run_folder.ts";
import type { SampledModel } from "./sampling/options.ts";
import { type prepareEvaluation, runEvaluation } from "./evaluation/tool.ts";
import { sampleGrid } from "./sampling/grid.ts";

/** Draws samples of a trained model, measures them if that is asked for, and writes the report. */
export async function drawAndReport(
  device: Device,
  { directory, config, model, only, data, evaluation, summary }: {
    directory: string;
    config: ImageConfig;
    model: SampledModel;
    only: number | undefined;
    data: Awaited<ReturnType<typeof loadImages>>;
    evaluation: Awaited<ReturnType<typeof prepareEvaluation>> | undefined;
    summary: string;
  },
  { record }: RunFolder,
): Promise<void> {
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
