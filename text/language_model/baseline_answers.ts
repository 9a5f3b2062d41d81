/** The answers of a baseline of text.ts, and their accuracy, measured as the denoiser's. */
import { writeFileAtomic } from "../../base/files.ts";
import { cachedResult } from "../../cli/cached_result.ts";
import { accuracyFigure, type MeasuredFigure } from "../../metrics/measured_figure.ts";
import { countParameters } from "../../nn/parameters.ts";
import { randomStream } from "../../nn/random.ts";
import { weightsHash } from "../../training/checkpoint/weights_identity.ts";
import { gpt2Specs } from "../../vae/gpt2.ts";
import { compileGpt2Decoder } from "../../vae/gpt2_decoder.ts";
import {
  decodingProtocol,
  sampleRounds,
  type Scores,
  scoreSolutions,
  timeSingleProblems,
} from "../answering.ts";
import type { SampledText } from "../sampling/session.ts";
import type { SamplingConfig } from "../settings.ts";
import { continueQuestions } from "./answers.ts";
import {
  type BaselineSequences,
  baselineSequences,
  type BaselineTask,
  trainBaseline,
} from "./baseline.ts";
import type { LanguageModel } from "./checkpoint.ts";

const NAMES = { direct: "GPT-2, direct", cot: "GPT-2, with steps" } as const;

export interface BaselineAnswering extends BaselineTask {
  readonly dataset: string; // data set's name, which decides how answers are written
  readonly sampling: SamplingConfig; // problems, votes, batches and the temperature of decoding
  readonly now: () => number; // milliseconds since some moment
}

export interface BaselineAnswers {
  readonly texts: readonly SampledText[];
  readonly figures: readonly MeasuredFigure[]; // accuracy and speed
}

/**
 * Trains a baseline and answers the denoiser's problems, unless the folder holds the answers. Returns
 * undefined if training was interrupted.
 */
export async function baselineOnce(task: BaselineAnswering): Promise<BaselineAnswers | undefined> {
  const sequences = baselineSequences(task, task.vae.tokenizer);
  const model = await trainBaseline(task, sequences);
  if (model === undefined) return undefined;
  const { samples, votes, sampleBatchSize, decodingTemperature } = task.sampling;
  const from = {
    samples,
    votes,
    sampleBatchSize,
    decodingTemperature,
    kind: task.kind,
    data: task.data.sha256,
    weights: weightsHash(model.parameters),
  };
  const message = `baseline ${task.kind}: the same answers are`;
  return await cachedResult(`${task.folder}/samples`, from, message, {
    make: () => answerProblems(task, model, sequences),
    log: task.log,
  });
}

async function answerProblems(
  task: BaselineAnswering,
  { config: sizes, parameters, tokenizer }: LanguageModel,
  { questions, answerTokens }: BaselineSequences,
): Promise<BaselineAnswers> {
  const { device, data, config, dataset, folder, sampling, shared, now } = task;
  const examples = data.examples(config).test.slice(0, sampling.samples);
  const { sampleBatchSize, decodingTemperature: temperature } = sampling;
  const decoder = compileGpt2Decoder(device, parameters, sizes, sizes.nPositions);
  const random = randomStream(shared.seed).stream("baseline answers");
  const answer = async (items: readonly number[], numbers: readonly number[]) => {
    const answers = await continueQuestions(decoder, items.map((item) => questions[item]!), {
      endId: tokenizer.id("eos"),
      maxTokens: answerTokens,
      temperature,
      random,
      numbers,
    });
    return answers.map((ids) => tokenizer.decode(ids));
  };
  const solutions = await sampleRounds(examples.length, {
    rounds: temperature === 0 ? 1 : sampling.votes, // greedy answers are all the same
    batchSize: sampleBatchSize,
    // Questions of similar lengths together: a batch takes as long as its longest.
    order: [...examples.keys()].sort((a, b) => questions[a]!.length - questions[b]!.length),
  }, answer);
  const scores = scoreSolutions(dataset, examples, solutions);
  const speed = await timeSingleProblems(examples.length, (item) => answer([item], [item]), now);
  await decoder.dispose();

  const texts = examples.map(({ source = "" }, i): SampledText => {
    const [text = ""] = solutions[i]!;
    const reference = scores.expected[i]!;
    return { prompt: source, text, reference, right: scores.isRight(i, text) };
  });
  const lines = texts.map((text) => JSON.stringify(text) + "\n");
  await writeFileAtomic(`${folder}/samples/samples.jsonl`, lines.join(""));
  const size = countParameters(gpt2Specs(sizes));
  return { texts, figures: figuresOf(task, scores, { size, speed }) };
}

function figuresOf(
  { kind, config, sampling, device }: BaselineAnswering,
  { byVotes, expected }: Scores,
  { size, speed: { answers, seconds } }: {
    readonly size: number;
    readonly speed: { readonly answers: readonly unknown[]; readonly seconds: number };
  },
): MeasuredFigure[] {
  const protocol = `${expected.length} held-out problems, exact match of the answer, ` +
    `${size.toLocaleString("en")} parameters, trained here on the denoiser's problems for ` +
    `${config.steps} steps of ${config.batchSize}, ` +
    `${decodingProtocol(sampling.decodingTemperature)}, averaged weights`;
  const name = NAMES[kind];
  const perSecond = answers.length / seconds;
  return [
    ...byVotes.map((accuracy, i) => {
      const votes = i === 0 ? "one sample" : `${i + 1} votes`;
      return accuracyFigure(`${name}: accuracy, ${votes}`, accuracy, protocol);
    }),
    {
      name: `${name}: speed at batch 1`,
      value: `${perSecond.toFixed(2)} problems/s`,
      measured: perSecond,
      protocol: `${answers.length} problems one by one, ${device.threads} threads`,
    },
  ];
}
