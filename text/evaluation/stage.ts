/** Stage `evaluate` of text.ts: the baseline and the judge that are asked for, then the table. */
import { baselineFolder, BASELINES, type SharedRun } from "../language_model/baseline.ts";
import type { TextEvaluationConfig } from "../denoiser_flags.ts";
import { openJudge } from "../language_model/judge.ts";
import { baselineOnce } from "../language_model/baseline_answers.ts";
import { cutTexts, textPieces } from "../autoencoder/cut_texts.ts";
import { areTextsJudged, evaluateTextsOnce, type TextEvaluation } from "./evaluate.ts";
import type { TextSamples, TextSampleTask } from "../sampling/session.ts";

/** What the stage works with. */
export interface EvaluateStage extends Omit<TextSampleTask, "folder"> {
  /** What was drawn. */
  readonly samples: TextSamples;
  /** What is compared with. */
  readonly evaluation: TextEvaluationConfig;
  /** The folder of the run, in which baselines and the judge have theirs. */
  readonly root: string;
  /** The folder of the table. */
  readonly folder: string;
  /** What the runs of baselines and the judge share with the main one. */
  readonly shared: SharedRun;
}

/** Trains what is lacking, and measures. @returns undefined where a training was interrupted. */
export async function evaluateStage(
  { evaluation, root, shared, ...task }: EvaluateStage,
): Promise<TextEvaluation | undefined> {
  const { device, vae, data, config } = task;
  const baselines = Object.fromEntries(
    BASELINES.map((kind) => [kind, baselineFolder(root, kind)]),
  ) as Record<typeof BASELINES[number], string>;
  const { baseline: kind } = evaluation;
  if (kind !== "none") {
    const answers = await baselineOnce({ ...task, kind, shared, folder: baselines[kind] });
    if (answers === undefined) return undefined;
  }
  const { train, validation } = data.examples(config);
  const textsOf = (examples: typeof train) => examples.flatMap(({ targets }) => targets);
  const judge = areTextsJudged(config)
    ? await openJudge(evaluation, {
      ...{ device, vae, shared, folder: `${root}/judge` },
      texts: () => ({
        train: textPieces(textsOf(train), vae), // of beginnings alone, it learns little but them
        validation: cutTexts(textsOf(validation), vae),
      }),
    })
    : undefined;
  if (judge === undefined && areTextsJudged(config)) return undefined;
  return await evaluateTextsOnce({ ...task, baselines, judge });
}
