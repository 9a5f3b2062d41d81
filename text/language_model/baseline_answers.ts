/** What a baseline of text.ts answers, and how often it is right: in the same words as the denoiser. */
import { writeFileAtomic } from "../../base/files.ts";
import { countParameters } from "../../nn/parameters.ts";
import { randomStream } from "../../nn/random.ts";
import type { LanguageModel } from "./checkpoint.ts";
import {
  type BaselineSequences,
  baselineSequences,
  type BaselineTask,
  trainBaseline,
} from "./baseline.ts";
import type { TextSamplingConfig } from "../denoiser_flags.ts";
import { gpt2Specs } from "../../vae/gpt2.ts";
import { compileGpt2Decoder } from "../../vae/gpt2_decoder.ts";
import {
  accuracyByVotes,
  exactMatch,
  extractDigits,
  extractNumber,
} from "../../metrics/answers.ts";
import { continueQuestions } from "./answers.ts";
import { cachedResult } from "../../cli/cached_result.ts";
import { accuracyFigure, type MeasuredFigure } from "../../metrics/measured_figure.ts";
import type { SampledText } from "../sampling/session.ts";
import { weightsHash } from "../../training/checkpoint/weights_identity.ts";

/** Problems that the speed at batch 1 is measured with. */
const TIMED_PROBLEMS = 10;

/** What answers are called in tables. */
const NAMES = { direct: "GPT-2, direct", cot: "GPT-2, with steps" } as const;

/** How a baseline is asked. */
export interface BaselineAnswering extends BaselineTask {
  /** The data set's name, which says how answers are written. */
  readonly dataset: string;
  /** Problems, votes, batches and the temperature of decoding. */
  readonly sampling: TextSamplingConfig;
  /** Milliseconds from some moment on. */
  readonly now: () => number;
}

/** What came out. */
export interface BaselineAnswers {
  /** The answers. */
  readonly texts: readonly SampledText[];
  /** Accuracy and speed. */
  readonly figures: readonly MeasuredFigure[];
}

/**
 * Trains a baseline and has it answer the denoiser's problems; what the folder has already is passed over.
 *
 * @returns The answers; undefined where training was interrupted.
 */
export async function baselineOnce(task: BaselineAnswering): Promise<BaselineAnswers | undefined> {
  const sequences = baselineSequences(task, task.vae.tokenizer);
  const model = await trainBaseline(task, sequences);
  return model === undefined ? undefined : await answerBaselineOnce(task, model, sequences);
}

/** Answers the same problems as the denoiser, unless the folder has the answers already. */
async function answerBaselineOnce(
  task: BaselineAnswering,
  model: LanguageModel,
  sequences: BaselineSequences,
): Promise<BaselineAnswers> {
  const { samples, votes, sampleBatchSize, decodingTemperature } = task.sampling;
  const from = {
    ...{ samples, votes, sampleBatchSize, decodingTemperature },
    ...{ kind: task.kind, data: task.data.sha256, weights: await weightsHash(model.parameters) },
  };
  return await cachedResult(
    `${task.folder}/samples`,
    from,
    `baseline ${task.kind}: the same answers are`,
    { make: () => answerBaseline(task, model, sequences) },
  );
}

async function answerBaseline(
  { device, data, config, dataset, folder, kind, sampling, shared, now }: BaselineAnswering,
  { config: sizes, parameters, tokenizer }: LanguageModel,
  { questions, answerTokens }: BaselineSequences,
): Promise<BaselineAnswers> {
  const examples = data.examples(config).test.slice(0, sampling.samples);
  const { sampleBatchSize, decodingTemperature: temperature } = sampling;
  const decoder = compileGpt2Decoder(device, parameters, sizes, sizes.nPositions);
  const random = randomStream(shared.seed).stream("baseline answers");
  const answer = async (rows: readonly number[], vote: number) => {
    const said = await continueQuestions(decoder, rows.map((row) => questions[row]!), {
      ...{ endId: tokenizer.id("eos"), maxTokens: answerTokens, temperature, random },
      numbers: rows.map((row) => vote * examples.length + row),
    });
    return said.map((ids) => tokenizer.decode(ids));
  };
  // Questions of like lengths side by side: a batch takes as long as its longest.
  const order = [...examples.keys()].sort((a, b) => questions[a]!.length - questions[b]!.length);
  const votes = temperature === 0 ? 1 : sampling.votes; // the likeliest tokens are always the same
  const solutions: string[][] = examples.map(() => []);
  for (let vote = 0; vote < votes; vote++) {
    for (let start = 0; start < order.length; start += sampleBatchSize) {
      const rows = order.slice(start, start + sampleBatchSize);
      const texts = await answer(rows, vote);
      rows.forEach((row, i) => solutions[row]!.push(texts[i]!));
    }
  }
  const answerOf = dataset === "multiplication" ? extractDigits : extractNumber;
  const expected = examples.map(({ answer }) => answer!.replace(/\s+/g, ""));
  const byVotes = accuracyByVotes(solutions.map((of) => of.map(answerOf)), expected);

  const timed = [...examples.keys()].slice(0, TIMED_PROBLEMS);
  await answer(timed.slice(0, 1), 0); // compiles
  const began = now();
  for (const row of timed) await answer([row], 0);
  const perSecond = 1000 * timed.length / (now() - began);
  await decoder.dispose();

  const decoding = temperature === 0 ? "greedy decoding" : `decoding at temperature ${temperature}`;
  const protocol =
    `${examples.length} held-out problems, exact match of the answer, ${
      countParameters(gpt2Specs(sizes)).toLocaleString("en")
    } parameters, trained here on the denoiser's problems for ${config.diffusionSteps} steps of ` +
    `${config.diffusionBatchSize}, ${decoding}, averaged weights`;
  const name = NAMES[kind];
  const figures: MeasuredFigure[] = [
    ...byVotes.map((accuracy, i) =>
      accuracyFigure(
        `${name}: accuracy, ${i === 0 ? "one sample" : `${i + 1} votes`}`,
        accuracy,
        protocol,
      )
    ),
    {
      name: `${name}: speed at batch 1`,
      value: `${perSecond.toFixed(2)} problems/s`,
      measured: perSecond,
      protocol: `${timed.length} problems one by one, ${device.threads} threads`,
    },
  ];
  const texts = examples.map(({ source = "" }, i): SampledText => {
    const [text = ""] = solutions[i]!;
    return {
      ...{ prompt: source, text, reference: expected[i]! },
      right: exactMatch(answerOf(text), expected[i]!),
    };
  });
  const lines = texts.map((text) => JSON.stringify(text) + "\n");
  await writeFileAtomic(`${folder}/samples/samples.jsonl`, lines.join(""));
  return { texts, figures };
}
