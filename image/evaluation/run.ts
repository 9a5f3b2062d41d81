/** `--evaluate` and `--study`: from flags to files and reports. */
import { print, printResult } from "../../cli/output.ts";
import { usageError } from "../../base/errors.ts";
import { makeFolder, writeFileAtomic } from "../../base/files.ts";
import type { ImageKind, ImageSet } from "../../datasets/image_set.ts";
import type { Device } from "../../engine/device.ts";
import { drawPlot } from "../../report/plot.ts";
import { writeReport } from "../../report/report.ts";
import { tableLines } from "../../report/sections.ts";
import { loadClassifier } from "../classifier/checkpoint.ts";
import { FASHION, loadImages } from "../data.ts";
import type { ImageFlags } from "../flags.ts";
import { dataWarnings, type EvaluationReport, samplingProtocol } from "../report.ts";
import { sampleGrid } from "../sampling/grid.ts";
import { runStudy, studySettings } from "./ddim_study.ts";
import { evaluateImages, type EvaluationTask, saveEvaluation } from "./evaluate.ts";
import { checkSampleCount } from "./quality.ts";
import { evaluationFigures, evaluationSection, evaluationTable } from "./report.ts";
import { StudyLog } from "./study_log.ts";
import { studyPlot, studySection, studyTable } from "./study_report.ts";

/** The default number of samples, as in the literature. */
const SAMPLES = 2048;

const ROOT = decodeURIComponent(new URL("../../", import.meta.url).pathname);

/** Refuses an evaluation of other images than FashionMNIST's. */
export function checkIsFashion(
  { classNames }: Pick<ImageKind, "classNames">,
  given: ImageFlags,
): void {
  if (classNames === FASHION.classNames) return;
  const flag = given.evaluate ? "--evaluate" : "--study";
  throw usageError(
    `${flag} measures with a classifier of FashionMNIST: leave it out for other images.`,
  );
}

/** Loads what an evaluation needs besides the model, so that errors are found before training. */
export async function prepareEvaluation(
  given: ImageFlags,
  data: ImageSet,
  args: readonly string[],
): Promise<Omit<EvaluationTask, "model" | "config" | "source">> {
  const { evaluateSamples: samples = SAMPLES, evaluateSeeds: seeds = 1 } = given;
  checkIsFashion(data, given);
  checkSampleCount(samples, data);
  const classifier = await loadClassifier();
  const command = ["deno task image", ...args].join(" ");
  return { samples, seeds, bitsPerDimension: given.bitsPerDimension, classifier, data, command };
}

/** Measures a model, writes the results into a folder and prints the table. */
export async function runEvaluation(
  device: Device,
  task: EvaluationTask,
  directory: string,
): Promise<EvaluationReport> {
  const { source } = task;
  const evaluated = await evaluateImages(device, {
    ...task,
    source: source.startsWith(ROOT) ? source.slice(ROOT.length) : source, // the same on all machines
  });
  await saveEvaluation(directory, evaluated);
  const { seeds } = evaluated.evaluation;
  if (seeds.length > 1) tableLines(evaluationTable(evaluated.evaluation)).forEach(print);
  return {
    figures: evaluationFigures(evaluated.evaluation),
    sections: [evaluationSection(evaluated)],
    warnings: evaluated.warnings,
  };
}

export interface CheckpointTask extends Pick<EvaluationTask, "model" | "config" | "source"> {
  readonly device: Device;
  readonly folder: string;
  readonly given: ImageFlags;
  readonly args: readonly string[];
}

/** Draws a grid of samples, measures the model and writes a report. */
export async function evaluateCheckpoint(
  { device, folder, given, args, ...task }: CheckpointTask,
): Promise<void> {
  const data = await loadImages(given);
  const prepared = await prepareEvaluation(given, data, args);
  const { model, config, source } = task;
  const path = `${folder}/grid.png`;
  const { png } = await sampleGrid(device, model, config, { path });
  const evaluated = await runEvaluation(device, { ...prepared, ...task }, folder);
  const report = await writeReport(folder, {
    title: folder.slice(folder.lastIndexOf("/") + 1),
    summary: `Evaluation of ${source}.`,
    ...evaluated,
    warnings: [...dataWarnings(data), ...evaluated.warnings],
    pictures: [{ caption: samplingProtocol(config), png }],
    config,
  });
  printResult({ folder, files: { samples: path, report }, figures: evaluated.figures });
}

/** Runs the study, writes ddim.csv, ddim.svg and report.html, and prints the table. */
export async function studyCheckpoint(
  { device, folder, given, args, ...task }: CheckpointTask,
): Promise<void> {
  const T = task.model.schedule.numTrainTimesteps;
  const excess = given.studySteps?.find((steps) => steps > T);
  if (excess !== undefined) {
    throw usageError(`--study-steps ${excess}: the model has ${T} timesteps; give at most ${T}.`);
  }
  const data = await loadImages(given);
  const { samples, classifier } = await prepareEvaluation(given, data, args);
  await makeFolder(folder);
  const { rows, real } = await runStudy(device, { ...task, samples, classifier, data }, {
    settings: studySettings(T, given.studySteps),
    log: await StudyLog.open(`${folder}/ddim.csv`),
  });
  await writeFileAtomic(`${folder}/ddim.svg`, drawPlot(studyPlot(rows)).toString());
  const report = await writeReport(folder, {
    title: folder.slice(folder.lastIndexOf("/") + 1),
    summary: `DDIM with several numbers of steps and etas, and DDPM: ${task.source}.`,
    warnings: dataWarnings(data),
    sections: [studySection(rows, real, task.config)],
    config: task.config,
  });
  tableLines(studyTable(rows, "fid")).forEach(print);
  print(`FID of real images: ${real.fid.toFixed(2)}`);
  printResult({ folder, files: { report } });
}
