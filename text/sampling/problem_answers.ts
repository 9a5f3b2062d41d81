/** Stage `sample` of text.ts for problems that thoughts answer: votes, accuracy and speed. */
import { UserError } from "../../base/errors.ts";
import { writeFileAtomic } from "../../base/files.ts";
import { Progress } from "../../cli/progress.ts";
import type { LatentExample } from "../data.ts";
import type { LatentBatches, Layout } from "../denoiser/batches.ts";
import {
  accuracyByVotes,
  exactMatch,
  extractDigits,
  extractNumber,
} from "../../metrics/answers.ts";
import { accuracyFigure, type MeasuredFigure } from "../../metrics/measured_figure.ts";
import { type SampleSession, type TextSamples, TRAJECTORIES, TrajectoryLog } from "./session.ts";
import { thinkInTurn, thinkTogether, type ThoughtModel, type Thoughts } from "./thought_answers.ts";

/** Problems that the speed at batch 1 is measured with. */
const TIMED_PROBLEMS = 10;

/** Batches that know what layouts say: questions are known, thoughts that were drawn are not. */
async function batchesOf(
  { config, batches, encode, model }: SampleSession,
  layouts: readonly Layout[],
): Promise<LatentBatches> {
  const texts = [...new Set(["", ...layouts.flatMap(({ sources }) => sources)])];
  if (config.conditionReader !== "latents" || batches.knows(texts)) return batches;
  return batches.knowing({ texts, latents: await encode(texts), ...model.scale });
}

/** Answers problems, votes on them, and measures the speed at batch 1. */
export async function answerProblems(session: SampleSession): Promise<TextSamples> {
  const { examples, sampling, config, sampler, say, empty, vae, now } = session;
  const { votes, sampleBatchSize: size } = sampling;
  if (examples.length === 0) throw new UserError("there are no problems to answer");
  let log: TrajectoryLog | undefined;
  const model: ThoughtModel = {
    draw: async (layouts, request) => {
      const batches = await batchesOf(session, layouts);
      return sampler.draw(
        { condition: batches.asked(layouts, []), ...request },
        log?.listener(request.numbers),
      );
    },
    say,
    empty,
    block: [vae.config.latents, vae.config.latentWidth],
  };
  const think = config.thoughtPasses === "multi" ? thinkInTurn : thinkTogether;
  const answerOf = session.dataset === "multiplication" ? extractDigits : extractNumber;
  const solve = (part: readonly LatentExample[], numbers: readonly number[]) =>
    think(model, {
      questions: part.map(({ source }) => source ?? ""),
      numbers,
      random: session.random.stream("thoughts"),
      maxThoughts: config.maxThoughts,
    });

  const solutions: Thoughts[][] = examples.map(() => []);
  const total = votes * examples.length;
  await using progress = new Progress({ total, label: "answering", unit: "problems" });
  for (let vote = 0; vote < votes; vote++) {
    for (let start = 0; start < examples.length; start += size) {
      const part = examples.slice(start, start + size);
      const first = vote * examples.length + start;
      const solved = await solve(part, part.map((_, i) => first + i));
      progress.update(first + part.length);
      solved.forEach((thoughts, i) => solutions[start + i]!.push(thoughts));
    }
  }
  await progress.stop();
  const text = ({ texts }: Thoughts) => texts.join(" ");
  const expected = examples.map(({ answer }) => answer!.replace(/\s+/g, ""));
  const byVotes = accuracyByVotes(
    solutions.map((of) => of.map((thoughts) => answerOf(text(thoughts)))),
    expected,
  );

  if (sampling.trajectory) {
    const part = examples.slice(0, TRAJECTORIES);
    log = new TrajectoryLog();
    await solve(part, [...part.keys()]);
    await log.write(session.folder, say);
    log = undefined;
  }

  const timed = examples.slice(0, TIMED_PROBLEMS);
  await solve(timed.slice(0, 1), [0]); // compiles
  const started = now();
  let thoughts = 0;
  for (const [i, example] of timed.entries()) {
    thoughts += (await solve([example], [i]))[0]!.texts.length;
  }
  const seconds = (now() - started) / 1000;

  const table = byVotes.map(({ correct, count, accuracy, interval: [low, high] }, i) =>
    [i + 1, correct, count, accuracy, low, high].join(",")
  );
  await writeFileAtomic(
    `${session.folder}/accuracy.csv`,
    ["votes,correct,count,accuracy,low,high", ...table].join("\n") + "\n",
  );
  const { decodingTemperature } = sampling;
  const decoding = decodingTemperature === 0
    ? "greedy decoding"
    : `decoding at temperature ${decodingTemperature}`;
  const protocol = `${examples.length} held-out problems, exact match of the answer, ` +
    `${config.thoughtPasses} pass, ${sampling.sampler}, ${sampling.sampleSteps} steps, temperature ` +
    `${sampling.temperature}, ${decoding}, averaged weights`;
  const ties = "of as many votes, the answer that was given first";
  const figures: MeasuredFigure[] = [
    ...byVotes.map((accuracy, i) =>
      i === 0
        ? accuracyFigure("Accuracy, one sample", accuracy, protocol)
        : accuracyFigure(`Accuracy, ${i + 1} votes`, accuracy, `${protocol}; majority; ${ties}`)
    ),
    {
      name: "Speed at batch 1",
      value: `${(thoughts / seconds).toFixed(2)} thoughts/s, ${
        (timed.length / seconds).toFixed(2)
      } problems/s`,
      measured: timed.length / seconds,
      protocol: `${timed.length} problems one by one, ${session.device.threads} threads, all ` +
        "denoising steps and the decoding of the text",
    },
  ];
  return {
    texts: examples.map(({ source, targets }, i) => {
      const solution = text(solutions[i]![0]!);
      return {
        prompt: source ?? "",
        text: solution,
        reference: targets.join(" "),
        right: exactMatch(answerOf(solution), expected[i]!),
      };
    }),
    figures,
  };
}
