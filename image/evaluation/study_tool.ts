/** `--study ddim` from flags to files. */
import { usageError } from "../../base/errors.ts";
import { makeFolder, writeFileAtomic } from "../../base/files.ts";
import type { JsonObject } from "../../base/json.ts";
import { drawPlot } from "../../report/plot.ts";
import { writeReport } from "../../report/report.ts";
import { tableLines } from "../../report/sections.ts";
import { studyPlot, studySection, studyTable } from "./study_report.ts";
import { loadImages } from "../data.ts";
import { runStudy, studySettings } from "./ddim_study.ts";
import { type CheckpointTask, prepareEvaluation } from "./tool.ts";
import { StudyLog } from "./study_log.ts";

/**
 * Goes through the study, writes ddim.csv, ddim.svg and report.html, and prints the table.
 *
 * @throws {UserError} With exit code 2 if there are to be more steps than timesteps.
 */
export async function studyCheckpoint(
  { device, folder, given, args, ...task }: CheckpointTask,
): Promise<void> {
  const T = task.model.schedule.numTrainTimesteps;
  const excess = given.studySteps?.find((steps) => steps > T);
  if (excess !== undefined) {
    throw usageError(
      `--study-steps ${excess} is more than the ${T} timesteps there are: lower it.`,
    );
  }
  const settings = studySettings(T, given.studySteps);
  const data = await loadImages(given);
  const { samples, classifier } = await prepareEvaluation(given, data, args);
  await makeFolder(folder);
  const log = await StudyLog.open(`${folder}/ddim.csv`);
  const { rows, real } = await runStudy(device, { ...task, samples, classifier, data }, {
    settings,
    log,
  });
  await writeFileAtomic(`${folder}/ddim.svg`, drawPlot(studyPlot(rows)).toString());
  const report = await writeReport(folder, {
    title: folder.slice(folder.lastIndexOf("/") + 1),
    summary: `Steps and eta of ${task.source}.`,
    warnings: data.origin === "sample" ? [data.description] : [],
    sections: [studySection(rows, real, task.config)],
    config: task.config as unknown as JsonObject,
  });
  tableLines(studyTable(rows, "fid")).forEach((line) => console.log(line));
  console.log(`real images: ${real.fid.toFixed(2)}\nreport: ${report}`);
}
