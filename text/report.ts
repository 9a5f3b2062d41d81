/** The report of a text run: one page of what its stages have made. */
import type { KeyFigure } from "../base/figure.ts";
import { print, printResult } from "../cli/output.ts";
import { countNumbers } from "../nn/parameters.ts";
import { writeReport } from "../report/report.ts";
import { autoencoderSection, readAutoencoderResults } from "./autoencoder/report.ts";
import {
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

/** The beginnings of the names of figures that stand in the report's sections alone. */
const MINOR: readonly string[] = [
  ...["BLEU", "Robust BLEU", "Perplexity of interpolations", "Latents", "Validation loss"],
  ...["Token accuracy", "Distinct-2", "Distinct-3", "Distinct-4", "Diversity", "Self-BLEU"],
  ...["Repetition", "AuBLEU", "ROUGE-1", "ROUGE-2"],
];

/** What tells whether the texts are good. */
function keyFigures(figures: readonly KeyFigure[]): KeyFigure[] {
  return figures.filter(({ name }) =>
    !MINOR.some((minor) => name.startsWith(minor)) && !name.endsWith(", exact")
  );
}

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
  const figures = keyFigures([
    ...autoencoder?.figures ?? [],
    ...evaluation?.figures ?? [...samples.figures, ...baseline],
  ]);
  const report = await writeTextReport(run, figures);
  for (const { name, reason } of evaluation?.leftOut ?? []) {
    print(`${name} is left out: ${reason}.`);
  }
  const pairs = autoencoder?.texts[0]?.texts ?? []; // held-out texts and their reconstructions
  const { dataset } = settings.autoencoder;
  printResult({
    folder: root,
    files: {
      ...samples.texts.length > 0 && { samples: `${denoiserFolder}/samples/samples.jsonl` },
      ...evaluation !== undefined && {
        figures: `${denoiserFolder}/evaluation/evaluation.json`,
      },
      report,
    },
    figures,
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
