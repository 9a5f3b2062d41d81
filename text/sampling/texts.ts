/** Stage `sample` of text.ts for texts of one block: with or without a source or a class. */
import { Progress } from "../../cli/progress.ts";
import type { LatentExample } from "../data.ts";
import { wholeExample } from "../denoiser/batches.ts";
import type { MeasuredFigure } from "../../metrics/measured_figure.ts";
import {
  type SampledText,
  type SampleSession,
  type TextSamples,
  TRAJECTORIES,
  TrajectoryLog,
} from "./session.ts";
import type { LatentSampler } from "./latents.ts";

/**
 * Draws a text for each example, a few of them with every step. From a source, `votes` texts are drawn,
 * of which the first is the text and all are candidates.
 */
export async function drawTexts(session: SampleSession): Promise<TextSamples> {
  const { examples, sampling, batches, sampler, say, folder, now } = session;
  const { sampleBatchSize: size } = sampling;
  const random = session.random.stream("samples");
  const draw = (
    part: readonly LatentExample[],
    numbers: readonly number[],
    onStep?: Parameters<LatentSampler["draw"]>[1],
  ) =>
    sampler.draw({
      condition: batches.asked(
        part.map((example) => wholeExample(example, 1)),
        part.map(({ label }) => label),
      ),
      ...{ numbers, random },
    }, onStep);
  const drawAndSay = async (part: readonly LatentExample[], first: number) => {
    const numbers = part.map((_, i) => first + i);
    const said = await say(await draw(part, numbers), { numbers, random });
    return said.map(([text = ""]) => text);
  };

  const rounds = examples.some(({ source }) => source !== undefined) ? sampling.votes : 1;
  const drawn: string[][] = examples.map(() => []);
  const times: { count: number; milliseconds: number }[] = [];
  const total = rounds * examples.length;
  await using progress = new Progress({ total, label: "sampling", unit: "texts" });
  for (let round = 0; round < rounds; round++) {
    for (let start = 0; start < examples.length; start += size) {
      const part = examples.slice(start, start + size);
      const began = now();
      const first = round * examples.length + start;
      const said = await drawAndSay(part, first);
      times.push({ count: part.length, milliseconds: now() - began });
      progress.update(first + part.length);
      said.forEach((text, i) => drawn[start + i]!.push(text));
    }
  }
  await progress.stop();
  // The first batch compiles graphs. Where there is no other, it is drawn again for its time.
  if (times.length === 1) {
    const began = now();
    await drawAndSay(examples.slice(0, size), 0);
    times.push({ count: times[0]!.count, milliseconds: now() - began });
  }
  const timed = times.slice(1);
  const count = timed.reduce((sum, { count }) => sum + count, 0);
  const seconds = timed.reduce((sum, { milliseconds }) => sum + milliseconds, 0) / 1000;

  if (sampling.trajectory) {
    const numbers = [...examples.slice(0, TRAJECTORIES).keys()];
    const log = new TrajectoryLog();
    const listen = log.listener(numbers);
    let last = 0;
    const drawn = await draw(examples.slice(0, TRAJECTORIES), numbers, (predicted, timestep) => {
      listen(predicted, timestep);
      last = timestep;
    });
    // Where noise is left, what the decoder hears is not the last step's clean sample.
    if (sampling.finalSigma > 0) listen(drawn, last);
    await log.write(folder, say);
  }
  const speed: MeasuredFigure = {
    name: "Speed of sampling",
    value: `${(count / seconds).toFixed(2)} texts/s`,
    measured: count / seconds,
    protocol: `${count} texts in batches of ${size} at most, ${sampling.sampler}, ` +
      `${sampling.sampleSteps} steps, ` +
      (sampling.finalSigma === 0
        ? "all of them"
        : `those until noise over data is ${sampling.finalSigma.toFixed(2)}`) +
      " and the decoding of the text, " +
      `${session.device.threads} threads`,
  };
  return {
    texts: examples.map(({ source, label, targets: [reference] }, i): SampledText => {
      const prompt = source ?? (label === undefined ? undefined : `rating ${label + 1}`);
      const [text = ""] = drawn[i]!;
      return {
        ...(prompt === undefined ? {} : { prompt }),
        text,
        ...(label === undefined ? {} : { label }),
        ...(rounds === 1 ? {} : { candidates: drawn[i]! }),
        ...(reference === undefined ? {} : { reference }),
      };
    }),
    figures: [speed],
  };
}
