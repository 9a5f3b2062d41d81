/** `--evaluate` from flags to files and the parts of a report. */
import type { FashionMnist } from "../../datasets/fashion_mnist.ts";
import type { JsonObject } from "../../base/json.ts";
import type { Device } from "../../engine/device.ts";
import { evaluationFigures, evaluationSection, evaluationTable } from "./report.ts";
import { samplingProtocol } from "../report.ts";
import { figureLine, type Report, writeReport } from "../../report/report.ts";
import { tableLines } from "../../report/sections.ts";
import { loadImages } from "../data.ts";
import type { ImageFlags } from "../flags.ts";
import { loadClassifier } from "../classifier/checkpoint.ts";
import { evaluateImages, type EvaluationTask, saveEvaluation } from "./evaluate.ts";
import { checkSampleCount } from "./quality_meter.ts";
import { sampleGrid } from "../sampling/grid.ts";

/** Samples that are measured if nothing else is said: as many as figures in the literature are of. */
const SAMPLES = 2048;

/** The folder of this project. */
const ROOT = new URL("../../", import.meta.url).pathname;

/** What an evaluation needs besides the model. */
export type PreparedEvaluation = Omit<EvaluationTask, "model" | "config" | "source">;

/**
 * Loads what an evaluation needs, so that what is missing is known before anything takes long.
 *
 * @param given The flags.
 * @param args The command line, for the record.
 * @throws {UserError} If the classifier is missing, or there are too few images.
 */
export async function prepareEvaluation(
  given: ImageFlags,
  data: FashionMnist,
  args: readonly string[],
): Promise<PreparedEvaluation> {
  const { evaluateSamples: samples = SAMPLES, evaluateSeeds: seeds = 1 } = given;
  checkSampleCount(samples, data);
  const classifier = await loadClassifier();
  return { samples, seeds, classifier, data, command: ["deno task image", ...args].join(" ") };
}

/**
 * Measures a model, writes what was found and prints the table.
 *
 * @param directory Where the files go.
 * @returns What a report says of it.
 */
export async function runEvaluation(
  device: Device,
  task: EvaluationTask,
  directory: string,
): Promise<Required<Pick<Report, "figures" | "sections" | "warnings">>> {
  const { source } = task;
  const evaluated = await evaluateImages(device, {
    ...task,
    source: source.startsWith(ROOT) ? source.slice(ROOT.length) : source, // the same everywhere
  });
  await saveEvaluation(directory, evaluated);
  tableLines(evaluationTable(evaluated.evaluation)).forEach((line) => console.log(line));
  return {
    figures: evaluationFigures(evaluated.evaluation),
    sections: [evaluationSection(evaluated)],
    warnings: evaluated.warnings,
  };
}

/** What is to be evaluated without training. */
export interface CheckpointTask extends Pick<EvaluationTask, "model" | "config" | "source"> {
  /** Where tensors are computed. */
  readonly device: Device;
  /** Where the files go. */
  readonly folder: string;
  /** The flags. */
  readonly given: ImageFlags;
  /** The command line, which the result names. */
  readonly args: readonly string[];
}

/** Draws a grid of samples, measures the model and writes a report of its own. */
export async function evaluateCheckpoint(
  { device, folder, given, args, ...task }: CheckpointTask,
): Promise<void> {
  const data = await loadImages(given);
  const prepared = await prepareEvaluation(given, data, args);
  const { model, config } = task;
  const png = await sampleGrid(device, model, config, {
    path: `${folder}/grid.png`,
    only: undefined,
  });
  const evaluated = await runEvaluation(device, { ...prepared, ...task }, folder);
  const report = await writeReport(folder, {
    title: folder.slice(folder.lastIndexOf("/") + 1),
    summary: `Samples of ${task.source}.`,
    ...evaluated,
    warnings: [...data.origin === "sample" ? [data.description] : [], ...evaluated.warnings],
    pictures: [{ caption: samplingProtocol(config), png }],
    config: config as unknown as JsonObject,
  });
  evaluated.figures.forEach((figure) => console.log(figureLine(figure)));
  console.log(`report: ${report}`);
}
