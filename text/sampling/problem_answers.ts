/** Stage `sample` of text.ts for problems that are solved in thoughts: votes, accuracy and speed. */
import { UserError } from "../../base/errors.ts";
import { writeFileAtomic } from "../../base/files.ts";
import { Progress } from "../../cli/progress.ts";
import { accuracyFigure, type MeasuredFigure } from "../../metrics/measured_figure.ts";
import {
  accuracyCsv,
  decodingProtocol,
  sampleRounds,
  type Scores,
  scoreSolutions,
  timeSingleProblems,
} from "../answering.ts";
import type { LatentBatches } from "../denoiser/batches.ts";
import type { Layout } from "../denoiser/layouts.ts";
import { type SampleSession, type TextSamples, TRAJECTORIES, TrajectoryLog } from "./session.ts";
import { thinkInTurn, thinkTogether, type ThoughtModel } from "./thought_answers.ts";

/** Samples the thoughts of problems, given by their indices; the numbers choose the random streams. */
type Solve = (
  items: readonly number[],
  numbers: readonly number[],
  log?: TrajectoryLog,
) => Promise<string[][]>;

/** Batches with the latents of the layouts' sources: those of generated thoughts are not known before. */
async function batchesOf(
  { config, batches, encode, model }: SampleSession,
  layouts: readonly Layout[],
): Promise<LatentBatches> {
  const texts = [...new Set(["", ...layouts.flatMap(({ sources }) => sources)])];
  if (config.conditionReader !== "latents" || batches.hasLatentsOf(texts)) return batches;
  return batches.withLatents({ texts, latents: await encode(texts), ...model.scale });
}

function solverOf(session: SampleSession): Solve {
  const { examples, config, sampler, decode, empty, vae, random } = session;
  const think = config.thoughtPasses === "multi" ? thinkInTurn : thinkTogether;
  return async (items, numbers, log) => {
    const model: ThoughtModel = {
      sample: async (layouts, request) => {
        const condition = (await batchesOf(session, layouts)).conditionOf(layouts, []);
        return await sampler.sample(
          { condition, ...request },
          log?.listener(request.numbers),
        );
      },
      decode,
      empty,
      block: [vae.config.latents, vae.config.latentWidth],
    };
    return await think(model, {
      questions: items.map((item) => examples[item]!.source ?? ""),
      numbers,
      random: random.stream("thoughts"),
      maxThoughts: config.maxThoughts,
    });
  };
}

/** Answers problems, takes votes, and measures the speed at batch size 1. */
export async function answerProblems(session: SampleSession): Promise<TextSamples> {
  const { examples, sampling, dataset, folder } = session;
  const { votes, sampleBatchSize } = sampling;
  if (examples.length === 0) throw new UserError("there are no problems to answer");
  const solve = solverOf(session);
  const total = votes * examples.length;
  await using progress = new Progress({ total, label: "answering", unit: "problems" });
  const solved = await sampleRounds(examples.length, {
    rounds: votes,
    batchSize: sampleBatchSize,
    onProgress: (done) => progress.update(done),
  }, solve);
  await progress.stop();
  const solutions = solved.map((samples) => samples.map((thoughts) => thoughts.join(" ")));
  const scores = scoreSolutions(dataset, examples, solutions);

  if (sampling.trajectory) {
    const items = [...examples.slice(0, TRAJECTORIES).keys()];
    const log = new TrajectoryLog();
    await solve(items, items, log);
    await log.write(folder, session.decode);
  }
  await writeFileAtomic(`${folder}/accuracy.csv`, accuracyCsv(scores.byVotes));
  return {
    texts: examples.map(({ source, targets }, i) => {
      const text = solutions[i]![0]!;
      return {
        prompt: source ?? "",
        text,
        reference: targets.join(" "),
        right: scores.isRight(i, text),
      };
    }),
    figures: [...accuracyFigures(session, scores), await speedFigure(session, solve)],
  };
}

function accuracyFigures(
  { examples, config, sampling }: SampleSession,
  { byVotes }: Scores,
): MeasuredFigure[] {
  const protocol = `${examples.length} held-out problems, exact match of the answer, ` +
    `${config.thoughtPasses} pass, ${sampling.sampler}, ${sampling.sampleSteps} steps, temperature ` +
    `${sampling.temperature}, ${decodingProtocol(sampling.decodingTemperature)}, averaged weights`;
  return byVotes.map((accuracy, i) =>
    i === 0 ? accuracyFigure("Accuracy, one sample", accuracy, protocol) : accuracyFigure(
      `Accuracy, ${i + 1} votes`,
      accuracy,
      `${protocol}; majority; with equal votes, the answer that came first`,
    )
  );
}

async function speedFigure(
  { examples, device, now }: SampleSession,
  solve: Solve,
): Promise<MeasuredFigure> {
  const solveOne = async (item: number) => (await solve([item], [item]))[0]!;
  const { answers, seconds } = await timeSingleProblems(examples.length, solveOne, now);
  const thoughts = answers.reduce((sum, { length }) => sum + length, 0);
  const perSecond = answers.length / seconds;
  return {
    name: "Speed at batch 1",
    value: `${(thoughts / seconds).toFixed(2)} thoughts/s, ${perSecond.toFixed(2)} problems/s`,
    measured: perSecond,
    protocol:
      `${answers.length} problems one by one, ${device.threads} threads, all denoising steps ` +
      "and the decoding of the text",
  };
}
