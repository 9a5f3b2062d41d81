/** Stage `evaluate` of text.ts: a table of all figures that apply to a data set, each with its protocol. */
import { writeFileAtomic } from "../../base/files.ts";
import { canonicalJson, type JsonObject, sha256 } from "../../base/json.ts";
import type { LatentExample } from "../examples.ts";
import type { PerplexityModel } from "../language_model/perplexity_model.ts";
import { isMultiPass } from "../denoiser/layouts.ts";
import { cutTexts } from "../autoencoder/cut_texts.ts";
import { curveFigures, denoisingCurve } from "./denoising_curve.ts";
import type { DenoisedBleu } from "../../metrics/bleu.ts";
import { csv } from "../../base/csv.ts";
import {
  classFigures,
  type LeftOut,
  perplexityFigures,
  referenceFigures,
  varietyFigures,
} from "./generation_figures.ts";
import { compileLanguageReader } from "../language_model/scores.ts";
import { cachedResult, readCachedResult } from "../../cli/cached_result.ts";
import type { MeasuredFigure } from "../../metrics/measured_figure.ts";
import { trainTextClassifier } from "./text_classifier.ts";
import type { TextSamples, TextSampleTask } from "../sampling/session.ts";
import { openSampleSession } from "../sampling/sample.ts";
import { flatSettings } from "../settings.ts";
import { weightsHash } from "../../training/checkpoint/weights_identity.ts";

export interface TextEvaluationTask extends TextSampleTask {
  readonly samples: TextSamples;
  /** The folders of baselines. The table includes the figures of those that have answered. */
  readonly baselines: readonly string[];
  /** The model for perplexity and MAUVE; undefined for problems, whose answers are right or wrong. */
  readonly perplexityModel: PerplexityModel | undefined;
}

export interface TextEvaluation {
  readonly figures: readonly MeasuredFigure[]; // all figures, in order
  readonly leftOut: readonly LeftOut[];
  /** BLEU of texts restored in one step, as a function of the share of signal. */
  readonly curve: readonly DenoisedBleu[];
}

/** Whether the texts of a condition are free text, not answers that are right or wrong. */
export function generatesFreeText({ condition }: { readonly condition: string }): boolean {
  return condition !== "question" && condition !== "sentence";
}

async function textFigures(
  task: TextEvaluationTask,
  perplexityModel: PerplexityModel,
  train: readonly LatentExample[],
  test: readonly LatentExample[],
): Promise<Pick<TextEvaluation, "figures" | "leftOut">> {
  const { device, vae, data, config, samples, random } = task;
  const targets = (examples: readonly LatentExample[]) =>
    examples.flatMap(({ targets }) => targets);
  const generated = samples.texts.map(({ text }) => text);
  const count = Math.min(generated.length, test.length);
  const compared = {
    samples: generated.slice(0, count),
    real: cutTexts(targets(test.slice(0, count)), vae),
    training: cutTexts(targets(train), vae),
  };
  const reader = compileLanguageReader(device, perplexityModel.model);
  const { figures, leftOut } = await perplexityFigures(reader, compared, perplexityModel);
  await reader.dispose();
  const { classes } = data.examples(config);
  const labelled = (examples: readonly LatentExample[]) =>
    examples.map(({ targets: [text = ""], label = 0 }) => ({ text, label }));
  const byClass = classes === null ? { ofSamples: [], ofReal: [] } : classFigures(
    trainTextClassifier(labelled(train), {
      classes: classes.length,
      random: random.stream("rating classifier"),
    }),
    samples.texts.map(({ text, label = 0 }) => ({ text, label })),
    labelled(test),
    { trained: train.length, kind: config.condition === "rating" ? "rating" : "label", classes },
  );
  return {
    figures: [
      ...withEmptyTexts(compared.samples, [
        ...varietyFigures(compared),
        ...figures,
        ...byClass.ofSamples,
      ]),
      ...byClass.ofReal,
    ],
    leftOut,
  };
}

/** Names the number of empty texts, which most figures take for good ones, first and in every protocol. */
export function withEmptyTexts(
  samples: readonly string[],
  figures: readonly MeasuredFigure[],
): readonly MeasuredFigure[] {
  const empty = samples.filter((text) => text.trim() === "").length;
  if (empty === 0) return figures;
  const share = `${empty} of ${samples.length}`;
  return [
    {
      name: "Empty samples",
      value: share,
      measured: empty / samples.length,
      protocol: "samples without any word: the other figures mean little where there are many",
    },
    ...figures.map((figure) => ({
      ...figure,
      value: `${figure.value} (${share} empty)`,
      protocol: `${figure.protocol}; ${share} samples are empty`,
    })),
  ];
}

async function baselineFigures(folders: readonly string[]): Promise<MeasuredFigure[]> {
  const figures: MeasuredFigure[] = [];
  for (const folder of folders) {
    const record = await readCachedResult(`${folder}/samples`);
    const result = record?.["result"] as { figures?: MeasuredFigure[] } | undefined;
    figures.push(...result?.figures ?? []);
  }
  return figures;
}

/** Measures everything that applies, unless the folder has the table of the same models and texts. */
export async function evaluateTextsOnce(task: TextEvaluationTask): Promise<TextEvaluation> {
  const { folder, model, vae, data, config, sampling, samples, perplexityModel, log } = task;
  const baselines = await baselineFigures(task.baselines);
  const hashOf = (value: unknown) => sha256(canonicalJson(value as JsonObject));
  const from: JsonObject = {
    config: flatSettings({ denoiser: config }),
    sampling: flatSettings({ sampling }),
    data: data.sha256,
    samples: await hashOf(samples),
    baselines: await hashOf(baselines),
    weights: weightsHash(model.parameters),
    vae: vae.hash,
    version: 2, // of the table: it has unknown words, and names what is left out
    judge: perplexityModel === undefined ? null : weightsHash(perplexityModel.model.parameters),
  };
  return await cachedResult(folder, from, "evaluate: the table of the same samples is", {
    make: () => evaluateTexts(task, baselines),
    log,
  });
}

async function evaluateTexts(
  task: TextEvaluationTask,
  baselines: readonly MeasuredFigure[],
): Promise<TextEvaluation> {
  const { data, config, samples, perplexityModel, random, folder } = task;
  const { train, test } = data.examples(config);
  // In multiple passes, a thought depends on those before it: it cannot be restored by itself.
  const isWhole = !isMultiPass(config);
  const short = test.filter(({ targets }) => targets.length <= config.maxThoughts);
  const { session, dispose } = await openSampleSession(task, isWhole ? short : []);
  const curve = isWhole && short.length > 0
    ? await denoisingCurve(session, short, random.stream("denoising curve"))
    : [];
  await dispose();
  const { figures, leftOut } = perplexityModel === undefined
    ? { figures: [], leftOut: [] }
    : await textFigures(task, perplexityModel, train, test);
  const evaluation: TextEvaluation = {
    figures: [
      ...samples.figures,
      ...baselines,
      ...figures,
      ...(config.condition === "question" ? [] : referenceFigures(samples.texts)),
      ...(curve.length === 0 ? [] : curveFigures(curve, short.length)),
    ],
    leftOut,
    curve,
  };
  await writeFileAtomic(`${folder}/evaluation.csv`, textEvaluationCsv(evaluation));
  await writeFileAtomic(`${folder}/evaluation.json`, textEvaluationJson(evaluation));
  return evaluation;
}

/** The table as CSV: numbers in full precision, shares from 0 to 1. */
export function textEvaluationCsv({ figures }: Pick<TextEvaluation, "figures">): string {
  return csv([
    ["figure", "measured", "low", "high", "real_texts", "value", "protocol"],
    ...figures.map(({ name, measured, interval = [], real, value, protocol }) => {
      const [low, high] = interval;
      return [name, measured, low, high, real?.measured, value, protocol];
    }),
  ]);
}

export function textEvaluationJson(evaluation: TextEvaluation): string {
  const json = { format: "nanodiffusion-text-evaluation", version: 1, ...evaluation };
  return JSON.stringify(json, null, 2) + "\n";
}
