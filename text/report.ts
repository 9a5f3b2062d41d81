/** The report of a text run: one page of what its stages have made. */
import type { KeyFigure } from "../base/figure.ts";
import { printResult } from "../cli/output.ts";
import { countNumbers } from "../nn/parameters.ts";
import { writeReport } from "../report/report.ts";
import { autoencoderSection, readAutoencoderResults } from "./autoencoder/report.ts";
import {
  denoiserFigures,
  denoiserSection,
  evaluationSection,
  partsOf,
  sampledTexts,
  trajectoryTexts,
} from "./evaluation/report.ts";
import { dataName } from "./own_data.ts";
import type { TextRun } from "./run.ts";
import { flatSettings } from "./settings.ts";

/** Texts that the program prints. */
const PRINTED = 3;

/**
 * Writes report.html from all results that the run's folder has. Prints the results of this start of the
 * program.
 */
export async function reportRun(run: TextRun): Promise<void> {
  const { results: { autoencoder, baseline = [], hasDenoiser = false }, root, settings } = run;
  if (autoencoder === undefined && !hasDenoiser) {
    if (baseline.length > 0) printResult({ folder: root, files: {}, figures: baseline });
    return;
  }
  const { samples = { texts: [], figures: [] }, evaluation } = run.results;
  const denoiserFolder = `${root}/diffusion`;
  const trainingFigures = hasDenoiser
    ? await denoiserFigures(denoiserFolder, settings.denoiser)
    : [];
  const figures = [...trainingFigures, ...samples.figures];
  const report = await writeTextReport(run, figures);
  const pairs = autoencoder?.texts[0]?.texts ?? []; // held-out texts and their reconstructions
  const { dataset } = settings.autoencoder;
  printResult({
    folder: root,
    files: samples.texts.length === 0
      ? { report }
      : { samples: `${denoiserFolder}/samples/samples.jsonl`, report },
    figures: [
      ...autoencoder?.figures ?? [],
      ...evaluation === undefined ? figures : [...trainingFigures, ...evaluation.figures],
      ...baseline,
    ],
    samples: [
      ...pairs.slice(0, PRINTED).map(({ prompt = "", text }) => ({
        original: prompt,
        decoded: text,
      })),
      ...samples.texts.slice(0, PRINTED).map((sample) => partsOf(sample, dataset)),
    ],
  });
}

async function writeTextReport(run: TextRun, figures: readonly KeyFigure[]): Promise<string> {
  const { device, data, settings, results, root, folder } = run;
  const { hasDenoiser = false, samples = { texts: [] }, evaluation } = results;
  const denoiserFolder = `${root}/diffusion`;
  const autoencoder = folder === undefined ? undefined : await readAutoencoderResults(root);
  const { record } = hasDenoiser ? await run.denoiserFolder() : folder!;
  const session = record.sessions.at(-1)!;
  const sized = (name: string, parameters: number) =>
    `${name} of ${parameters.toLocaleString("en")} parameters`;
  const models = [
    ...autoencoder === undefined ? [] : [sized("autoencoder", autoencoder.parameters)],
    ...hasDenoiser ? [sized("denoiser", countNumbers((await run.denoiser()).parameters))] : [],
  ];
  const { autoencoder: config, denoiser, sampling } = settings;
  return await writeReport(root, {
    title: `${dataName(config)}: ${models.join(", ")}`,
    summary: `${session.started.slice(0, 10)}: deno task ${session.command.join(" ")}`,
    warnings: data.origin === "sample" ? [data.description] : [],
    figures,
    texts: [
      ...sampledTexts(samples),
      ...hasDenoiser ? await trajectoryTexts(`${denoiserFolder}/samples`) : [],
    ],
    sections: [
      ...evaluation === undefined ? [] : [evaluationSection(evaluation)],
      ...hasDenoiser ? [await denoiserSection(denoiserFolder, { config: denoiser, device })] : [],
      ...autoencoder === undefined
        ? []
        : [await autoencoderSection(root, autoencoder, { config, device })],
    ],
    config: flatSettings({ autoencoder: config, ...hasDenoiser ? { denoiser, sampling } : {} }),
    origin: record,
  });
}
