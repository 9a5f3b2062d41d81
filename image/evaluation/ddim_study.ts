/**
 * `--study ddim`: FID against the number of steps and eta, as table 1 of Song et al. 2021
 * (arXiv:2010.02502), with DDPM's larger variance as the last row.
 */
import { describeNetwork } from "../../diffusion/networks/image_network.ts";
import type { Device } from "../../engine/device.ts";
import { canonicalJson, type JsonObject, sha256 } from "../../base/json.ts";
import type { ImageConfig } from "../flags.ts";
import { formatDuration } from "../../cli/progress.ts";
import type { EvaluationTask } from "./evaluate.ts";
import { drawEvaluationSet } from "../sampling/evaluation_set.ts";
import type { Quality } from "./quality.ts";
import { openQualityMeter } from "./quality_meter.ts";
import { STUDY_STEPS, type StudyLog, type StudyRow } from "./study_log.ts";
import { weightsHash } from "../../training/checkpoint/weights_identity.ts";

/** The etas of the table. */
const ETAS = [0, 0.2, 0.5, 1] as const;

/** One setting of the study. */
export type StudySetting = Pick<StudyRow, "sampler" | "eta" | "steps">;

/**
 * The settings, the quickest first.
 *
 * @param steps Numbers of steps S, each at most T. @default 10, 20, 50, 100 and T
 */
export function studySettings(
  numTrainTimesteps: number,
  steps: readonly number[] = [
    ...STUDY_STEPS.filter((s) => s < numTrainTimesteps),
    numTrainTimesteps,
  ],
): StudySetting[] {
  return steps.toSorted((a, b) => a - b).flatMap((steps) => [
    ...ETAS.map((eta) => ({ sampler: "ddim" as const, eta, steps })),
    { sampler: "ddpm" as const, eta: undefined, steps },
  ]);
}

/** What the rows of a study have in common, and by which they are known again. */
export async function studyKey(
  { model, config, samples, classifier, data }: Omit<
    EvaluationTask,
    "source" | "command" | "seeds"
  >,
): Promise<string> {
  const { sampler: _sampler, eta: _eta, sampleSteps: _steps, samples: _grid, ...settings } = config;
  const content = {
    ...{ settings, samples, schedule: model.schedule.config, options: model.samplerOptions ?? {} },
    ...{ model: await weightsHash(model.parameters) },
    ...{ classifier: await weightsHash(classifier.parameters), data: data.sha256 },
  };
  const hash = await sha256(canonicalJson(JSON.parse(JSON.stringify(content)) as JsonObject));
  return hash.slice(0, 12);
}

/** The settings of one row. */
function configOf(config: ImageConfig, { sampler, eta, steps }: StudySetting): ImageConfig {
  return {
    ...config,
    ...{ sampler, sampleSteps: steps, varianceType: "fixed_large" as const },
    eta: eta ?? config.eta, // ddpm has no use for it
  };
}

/**
 * Measures the settings that a log lacks, and adds each to it as soon as it is known.
 *
 * @returns The rows of all settings, and of real images.
 * @throws {UserError} If the model gives numbers that are not finite, or the log cannot be written.
 */
export async function runStudy(
  device: Device,
  task: Omit<EvaluationTask, "source" | "command" | "seeds">,
  { settings, log }: { settings: readonly StudySetting[]; log: StudyLog },
): Promise<{ rows: StudyRow[]; real: Quality }> {
  const { config, samples } = task;
  const key = await studyKey(task);
  const conditional = describeNetwork(task.model.config, 1).numClassEmbeds !== null;
  await using meter = await openQualityMeter(device, task.classifier, task.data);
  const real = await meter.measureReal(samples);
  const rows: StudyRow[] = [];
  let perStep = NaN; // seconds
  const missing = settings.filter((setting) => log.find(key, setting) === undefined);
  let left = missing.reduce((sum, { steps }) => sum + steps, 0);
  for (const setting of settings) {
    const known = log.find(key, setting);
    if (known !== undefined) {
      rows.push(known);
      continue;
    }
    const started = performance.now();
    console.error(
      `${setting.sampler}${setting.eta === undefined ? "" : `, eta ${setting.eta}`}, ` +
        `${setting.steps} steps` +
        (Number.isNaN(perStep) ? "" : `; ${formatDuration(perStep * left)} left in all`),
    );
    const drawn = await drawEvaluationSet(
      device,
      { ...task, config: configOf(config, setting) },
      config.seed,
    );
    const quality = await meter.measure(drawn.pixels, conditional ? drawn.labels : undefined);
    const seconds = (performance.now() - started) / 1000;
    perStep = seconds / setting.steps;
    left -= setting.steps;
    const row = { key, ...setting, samples, seed: config.seed, guidance: config.guidance };
    rows.push({ ...row, ...quality, seconds });
    await log.append(rows.at(-1)!);
  }
  return { rows, real };
}
