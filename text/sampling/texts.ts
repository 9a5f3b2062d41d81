/** Stage `sample` of text.ts for texts of one block: with or without a source or a class. */
import { Progress } from "../../cli/progress.ts";
import type { MeasuredFigure } from "../../metrics/measured_figure.ts";
import { sampleRounds } from "../answering.ts";
import { wholeExample } from "../denoiser/layouts.ts";
import type { LatentSampler } from "./latents.ts";
import {
  type SampledText,
  type SampleSession,
  type TextSamples,
  TRAJECTORIES,
  TrajectoryLog,
} from "./session.ts";

interface BatchTime {
  readonly count: number;
  readonly milliseconds: number;
}

/** Samples the latents of examples, given by their indices. */
function sampleLatents(
  { examples, batches, sampler, random }: SampleSession,
  items: readonly number[],
  numbers: readonly number[],
  onStep?: Parameters<LatentSampler["sample"]>[1],
) {
  const part = items.map((item) => examples[item]!);
  const condition = batches.conditionOf(
    part.map((example) => wholeExample(example, 1)),
    part.map(({ label }) => label),
  );
  return sampler.sample({ condition, numbers, random: random.stream("samples") }, onStep);
}

/** Samples a text for each example; with a source, `votes` candidates, the first of which is the text. */
export async function sampleTexts(session: SampleSession): Promise<TextSamples> {
  const { examples, sampling, decode, now, config, data } = session;
  const { condition } = config;
  const names = data.examples(config).classes ?? [];
  const random = session.random.stream("samples");
  const sample = async (items: readonly number[], numbers: readonly number[]) => {
    const latents = await sampleLatents(session, items, numbers);
    return (await decode(latents, { numbers, random })).map(([text = ""]) => text);
  };
  const times: BatchTime[] = [];
  const timed: typeof sample = async (items, numbers) => {
    const began = now();
    const texts = await sample(items, numbers);
    times.push({ count: items.length, milliseconds: now() - began });
    return texts;
  };

  const rounds = examples.some(({ source }) => source !== undefined) ? sampling.votes : 1;
  const total = rounds * examples.length;
  await using progress = new Progress({ total, label: "sampling", unit: "texts" });
  const sampled = await sampleRounds(examples.length, {
    rounds,
    batchSize: sampling.sampleBatchSize,
    onProgress: (done) => progress.update(done),
  }, timed);
  await progress.stop();
  // The first batch compiles graphs. If there is no other, it is sampled again to measure its time.
  if (times.length === 1) {
    const items = [...examples.keys()];
    await timed(items, items);
  }
  if (sampling.trajectory) await writeTrajectories(session);
  return {
    texts: examples.map(({ source, label, targets: [reference] }, i): SampledText => {
      const prompt = source ?? (label === undefined ? undefined : `${condition} ${names[label]}`);
      const [text = ""] = sampled[i]!;
      return {
        ...(prompt === undefined ? {} : { prompt }),
        text,
        ...(label === undefined ? {} : { label }),
        ...(rounds === 1 ? {} : { candidates: sampled[i]! }),
        ...(reference === undefined ? {} : { reference }),
      };
    }),
    figures: [speedFigure(session, times.slice(1))],
  };
}

/** Samples the first examples again and writes every step. */
async function writeTrajectories(session: SampleSession): Promise<void> {
  const { examples, sampling, folder, decode } = session;
  const items = [...examples.slice(0, TRAJECTORIES).keys()];
  const log = new TrajectoryLog();
  const listen = log.listener(items);
  let last = 0;
  const latents = await sampleLatents(session, items, items, (predicted, timestep) => {
    listen(predicted, timestep);
    last = timestep;
  });
  // If noise is left, the decoder is conditioned on it, not on the last step's clean latents.
  if (sampling.finalSigma > 0) listen(latents, last);
  await log.write(folder, decode);
}

function speedFigure(
  { sampling, device }: SampleSession,
  times: readonly BatchTime[],
): MeasuredFigure {
  const count = times.reduce((sum, { count }) => sum + count, 0);
  const seconds = times.reduce((sum, { milliseconds }) => sum + milliseconds, 0) / 1000;
  const { sampler, sampleSteps, sampleBatchSize, finalSigma } = sampling;
  return {
    name: "Speed of sampling",
    value: `${(count / seconds).toFixed(2)} texts/s`,
    measured: count / seconds,
    protocol: `${count} texts in batches of at most ${sampleBatchSize}, ${sampler}, ` +
      `${sampleSteps} steps, ` +
      (finalSigma === 0
        ? "all of them"
        : `up to a ratio of noise to data of ${finalSigma.toFixed(2)}`) +
      ` and the decoding of the text, ${device.threads} threads`,
  };
}
