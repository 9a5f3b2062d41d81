/**
 * `--study ddim`: FID for several numbers of steps and etas, as table 1 of Song et al. 2021
 * (arXiv:2010.02502), with DDPM's larger variance as the last row.
 */
import { writeProgress } from "../../cli/output.ts";
import { canonicalJson, type JsonObject, sha256 } from "../../base/json.ts";
import { formatDuration } from "../../cli/progress.ts";
import type { Device } from "../../engine/device.ts";
import { weightsHash } from "../../training/checkpoint/weights_identity.ts";
import { hasClasses } from "../class_labels.ts";
import type { ImageConfig } from "../flags.ts";
import { drawEvaluationSet, type EvaluationTask } from "./evaluate.ts";
import { openQualityMeter, type Quality } from "./quality.ts";
import type { StudyLog, StudyRow, StudySetting } from "./study_log.ts";

/** The numbers of steps in the table, besides T. */
const STEPS = [10, 20, 50, 100] as const;

const ETAS = [0, 0.2, 0.5, 1] as const;

/** What a study measures: a model, the number of samples, the classifier and the data. */
export type StudyTask = Omit<EvaluationTask, "source" | "command" | "seeds">;

/**
 * The settings in the order of their cost.
 *
 * @param steps Numbers of steps S, each at most T. @default 10, 20, 50, 100 and T
 */
export function studySettings(
  numTrainTimesteps: number,
  steps: readonly number[] = [...STEPS.filter((s) => s < numTrainTimesteps), numTrainTimesteps],
): StudySetting[] {
  return steps.toSorted((a, b) => a - b).flatMap((steps) => [
    ...ETAS.map((eta) => ({ sampler: "ddim" as const, eta, steps })),
    { sampler: "ddpm" as const, eta: undefined, steps },
  ]);
}

/** A hash of what all rows of a study have in common, which identifies them. */
export async function studyKey(
  { model, config, samples, classifier, data }: StudyTask,
): Promise<string> {
  const { sampler: _sampler, eta: _eta, sampleSteps: _steps, samples: _grid, ...settings } = config;
  const content = {
    settings,
    samples,
    schedule: model.schedule.config,
    options: model.samplerOptions ?? {},
    model: weightsHash(model.parameters),
    classifier: weightsHash(classifier.parameters),
    data: data.sha256,
  };
  const hash = await sha256(canonicalJson(JSON.parse(JSON.stringify(content)) as JsonObject));
  return hash.slice(0, 12);
}

function configOf(config: ImageConfig, { sampler, eta, steps }: StudySetting): ImageConfig {
  return {
    ...config,
    sampler,
    sampleSteps: steps,
    varianceType: "fixed_large",
    eta: eta ?? config.eta, // ddpm ignores it
  };
}

/** A setting in words: "ddim, eta 0.2, 10 steps". */
function describeSetting({ sampler, eta, steps }: StudySetting): string {
  return `${sampler}${eta === undefined ? "" : `, eta ${eta}`}, ${steps} steps`;
}

/** Measures the settings that the log lacks, and adds each to it as soon as it is measured. */
export async function runStudy(
  device: Device,
  task: StudyTask,
  { settings, log }: { settings: readonly StudySetting[]; log: StudyLog },
): Promise<{ rows: StudyRow[]; real: Quality }> {
  const { config: { seed, guidance }, samples } = task;
  const key = await studyKey(task);
  await using meter = await openQualityMeter(device, task.classifier, task.data);
  const real = await meter.measureReal(samples);
  const rows: StudyRow[] = [];
  let secondsPerStep = NaN; // unknown before the first setting
  const missing = settings.filter((setting) => log.find(key, setting) === undefined);
  let stepsLeft = missing.reduce((sum, { steps }) => sum + steps, 0);
  for (const setting of settings) {
    const known = log.find(key, setting);
    if (known !== undefined) {
      rows.push(known);
      continue;
    }
    const left = Number.isNaN(secondsPerStep)
      ? ""
      : `; time left for the study: ${formatDuration(secondsPerStep * stepsLeft)}`;
    writeProgress(`${describeSetting(setting)}${left}\n`);
    const started = performance.now();
    const config = configOf(task.config, setting);
    const { pixels, labels } = await drawEvaluationSet(device, { ...task, config }, seed);
    const quality = await meter.measure(pixels, hasClasses(task.model.config) ? labels : undefined);
    const seconds = (performance.now() - started) / 1000;
    secondsPerStep = seconds / setting.steps;
    stepsLeft -= setting.steps;
    const row = { key, ...setting, samples, seed, guidance, ...quality, seconds };
    rows.push(row);
    await log.append(row);
  }
  return { rows, real };
}
