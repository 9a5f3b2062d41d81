/** Stage `evaluate` of text.ts: one table of all figures that fit a data set, each with its protocol. */
import { writeFileAtomic } from "../../base/files.ts";
import { canonicalJson, type JsonObject, sha256 } from "../../base/json.ts";
import { type BaselineKind, BASELINES } from "../language_model/baseline.ts";
import type { LatentExample } from "../data.ts";
import type { Judge } from "../language_model/judge.ts";
import { cutTexts } from "../autoencoder/cut_texts.ts";
import { curveFigures, denoisingCurve } from "./denoising_curve.ts";
import type { DenoisedBleu } from "../../metrics/denoising_bleu.ts";
import { csv } from "../../base/csv.ts";
import {
  judgeFigures,
  ratingFigures,
  referenceFigures,
  varietyFigures,
} from "./generation_figures.ts";
import { compileLanguageReader } from "../language_model/scores.ts";
import { cachedResult, readCachedResult } from "../../cli/cached_result.ts";
import type { MeasuredFigure } from "../../metrics/measured_figure.ts";
import { trainRatingClassifier } from "./rating_classifier.ts";
import type { TextSamples, TextSampleTask } from "../sampling/session.ts";
import { openSampleSession } from "../sampling/sample.ts";
import { weightsHash } from "../../training/checkpoint/weights_identity.ts";

/** What is evaluated. */
export interface TextEvaluationTask extends TextSampleTask {
  /** What was drawn. */
  readonly samples: TextSamples;
  /** The folders of baselines, of which those that have answers are shown beside it. */
  readonly baselines: Readonly<Record<BaselineKind, string>>;
  /** What judges texts; undefined for data sets whose texts are right or wrong. */
  readonly judge: Judge | undefined;
}

/** What was found. */
export interface TextEvaluation {
  /** All figures, in order. */
  readonly figures: readonly MeasuredFigure[];
  /** BLEU of texts restored in one step, by the share of signal. */
  readonly curve: readonly DenoisedBleu[];
}

/** Whether a data set's texts are to read well, rather than to be right. */
export function areTextsJudged({ condition }: { readonly condition: string }): boolean {
  return condition !== "question" && condition !== "sentence";
}

/** Figures of texts that are to read well. */
async function textFigures(
  task: TextEvaluationTask,
  judge: Judge,
  train: readonly LatentExample[],
  test: readonly LatentExample[],
): Promise<MeasuredFigure[]> {
  const { device, vae, data, config, samples, random } = task;
  const targets = (examples: readonly LatentExample[]) =>
    examples.flatMap(({ targets }) => targets);
  const drawn = samples.texts.map(({ text }) => text);
  const count = Math.min(drawn.length, test.length);
  const compared = {
    samples: drawn.slice(0, count),
    real: cutTexts(targets(test.slice(0, count)), vae),
  };
  const reader = compileLanguageReader(device, judge.model);
  const judged = await judgeFigures(reader, compared, { ...judge, judge: judge.name });
  await reader.dispose();
  const { classes } = data.examples(config);
  const labelled = (examples: readonly LatentExample[]) =>
    examples.map(({ targets: [text = ""], label = 0 }) => ({ text, label }));
  const ratings = classes === null ? [] : ratingFigures(
    trainRatingClassifier(labelled(train), { classes, random: random.stream("rating classifier") }),
    samples.texts.map(({ text, label = 0 }) => ({ text, label })),
    labelled(test),
    { trained: train.length },
  );
  return [
    ...varietyFigures({ ...compared, training: cutTexts(targets(train), vae) }),
    ...judged,
    ...ratings,
  ];
}

/** The figures of baselines that have answered. */
async function baselineFigures(
  baselines: TextEvaluationTask["baselines"],
): Promise<MeasuredFigure[]> {
  const figures: MeasuredFigure[] = [];
  for (const kind of BASELINES) {
    const record = await readCachedResult(`${baselines[kind]}/samples`);
    const result = record?.["result"] as { figures?: MeasuredFigure[] } | undefined;
    figures.push(...result?.figures ?? []);
  }
  return figures;
}

/** Measures all that fits, unless the folder has the table of the same already. */
export async function evaluateTextsOnce(task: TextEvaluationTask): Promise<TextEvaluation> {
  const { folder, model, vae, data, config, sampling, samples, judge } = task;
  const baselines = await baselineFigures(task.baselines);
  const hashOf = (value: unknown) => sha256(canonicalJson(value as JsonObject));
  const from = {
    ...{ config, sampling, data: data.sha256 },
    samples: await hashOf(samples),
    baselines: await hashOf(baselines),
    weights: await weightsHash(model.parameters),
    vae: await weightsHash(vae.parameters),
    judge: judge === undefined ? null : await weightsHash(judge.model.parameters),
  };
  return await cachedResult(
    folder,
    from,
    "evaluate: the table of the same samples is",
    { make: () => evaluateTexts(task, baselines) },
  );
}

async function evaluateTexts(
  task: TextEvaluationTask,
  baselines: readonly MeasuredFigure[],
): Promise<TextEvaluation> {
  const { data, config, samples, judge, random, folder } = task;
  const { train, test } = data.examples(config);
  // A single block, or all of a problem's thoughts; one of several passes is given others.
  const isWhole = config.condition !== "question" || config.thoughtPasses === "single";
  const short = test.filter(({ targets }) => targets.length <= config.maxThoughts);
  const { session, dispose } = await openSampleSession(task, isWhole ? short : []);
  const curve = isWhole && short.length > 0
    ? await denoisingCurve(session, short, random.stream("denoising curve"))
    : [];
  await dispose();
  const evaluation: TextEvaluation = {
    figures: [
      ...samples.figures,
      ...baselines,
      ...(judge === undefined ? [] : await textFigures(task, judge, train, test)),
      ...(config.condition === "question" ? [] : referenceFigures(samples.texts)),
      ...(curve.length === 0 ? [] : curveFigures(curve, short.length)),
    ],
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
    ...figures.map(({ name, measured, interval, real, value, protocol }) => [
      ...[name, measured, interval?.[0], interval?.[1], real?.measured, value, protocol],
    ]),
  ]);
}

/** The table as JSON, with the curve. */
export function textEvaluationJson(evaluation: TextEvaluation): string {
  const json = { format: "nanodiffusion-text-evaluation", version: 1, ...evaluation };
  return JSON.stringify(json, null, 2) + "\n";
}
