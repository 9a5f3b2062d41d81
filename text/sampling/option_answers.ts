/**
 * Stage `sample` of text.ts for Winograd schemas. A denoiser chooses one of two options in two ways: by
 * its loss on the clause of each, as diffusion classifiers do (Li et al. 2023, arXiv:2303.16203), and by
 * the clause that it generates.
 */
import { latentLosses } from "../denoiser/losses.ts";
import type { BatchTensors, DiffusionBatch, TimedBatch } from "../../diffusion/objective.ts";
import { trainableDenoiser } from "../denoiser/network.ts";
import type { Device } from "../../engine/device.ts";
import { UserError } from "../../base/errors.ts";
import { csv } from "../../base/csv.ts";
import { writeFileAtomic } from "../../base/files.ts";
import type { SamplingConfig } from "../settings.ts";
import type { HostArray } from "../../engine/tree.ts";
import { constants } from "../../nn/parameters.ts";
import type { RandomStream } from "../../nn/random.ts";
import { Progress } from "../../cli/progress.ts";
import type { LatentExample } from "../examples.ts";
import { latentTexts } from "../denoiser/layouts.ts";
import type { TextDenoiserModel } from "../denoiser/checkpoint.ts";
import { accuracyOf } from "../../metrics/answers.ts";
import { accuracyFigure, type MeasuredFigure } from "../../metrics/measured_figure.ts";
import type { SampledText, SampleSession, TextSamples } from "./session.ts";

/** Samples of noise and time step per option, whose losses are averaged. */
const DRAWS = 20;

const CHANCE = 0.5;

/**
 * The denoising loss of each option, at the same noise and time steps for all options of a problem. The
 * outer array has the problems of each option in the same order.
 */
export async function optionLosses(
  options: readonly (readonly LatentExample[])[],
  { batchesOf, lossesOf, random, draws = DRAWS, onProgress }: {
    readonly batchesOf: (examples: readonly LatentExample[], random: RandomStream) => TimedBatch[];
    readonly lossesOf: (batch: DiffusionBatch) => Promise<ArrayLike<number>>;
    readonly random: RandomStream;
    readonly draws?: number;
    readonly onProgress?: (done: number) => void;
  },
): Promise<number[][]> {
  const losses = options[0]!.map(() => options.map(() => 0));
  let done = 0;
  for (let draw = 0; draw < draws; draw++) {
    for (const [option, examples] of options.entries()) {
      let row = 0;
      for (const { batch } of batchesOf(examples, random.at(draw))) {
        for (const loss of Array.from(await lossesOf(batch))) {
          losses[row++]![option]! += loss / draws;
          done++;
        }
        onProgress?.(done);
      }
    }
  }
  return losses;
}

/** Compiles the unweighted training loss of each example, with the weights as constants. */
export function compileExampleLosses(
  device: Device,
  { config, parameters }: Pick<TextDenoiserModel, "config" | "parameters">,
) {
  const denoise = trainableDenoiser(config);
  const compiled = device.compile<{ batch: DiffusionBatch }, { losses: HostArray }>(
    ({ batch }) => ({
      losses: latentLosses(denoise, constants(parameters), batch as BatchTensors).plain,
    }),
  );
  return {
    lossesOf: async (batch: DiffusionBatch) => (await compiled({ batch })).losses.data,
    dispose: () => compiled.dispose(),
  };
}

/** The index of the option that a text begins with, ignoring case; the longest, if several match. */
export function namedOption(text: string, names: readonly string[]): number | undefined {
  const start = text.trim().toLowerCase();
  let found: number | undefined;
  names.forEach((name, i) => {
    const wanted = name.trim().toLowerCase();
    const next = start.charAt(wanted.length);
    if (!start.startsWith(wanted) || /[\p{L}\p{N}]/u.test(next)) return;
    if (found === undefined || wanted.length > names[found]!.trim().length) found = i;
  });
  return found;
}

/** The option with the lowest loss; the first, if several are equal. */
const lowest = (losses: readonly number[]) => losses.indexOf(Math.min(...losses));

/** The first examples of each test set. */
export function firstOfSets(examples: readonly LatentExample[], count: number): LatentExample[] {
  const seen = new Map<string, number>();
  return examples.filter(({ set = "" }) => {
    const number = (seen.get(set) ?? 0) + 1;
    seen.set(set, number);
    return number <= count;
  });
}

async function lossesOfOptions(
  { device, model, batches, encode, examples, config, sampling, random }: SampleSession,
): Promise<number[][]> {
  const options = [0, 1].map((option) =>
    examples.map((example) => ({ ...example, targets: [example.options![option]!.target] }))
  );
  const texts = latentTexts(options, config);
  const optionBatches = batches.withLatents({
    texts,
    latents: await encode(texts),
    ...model.scale,
  });
  const { lossesOf, dispose } = compileExampleLosses(device, model);
  await using progress = new Progress({
    total: DRAWS * options.length * examples.length,
    label: "losses of options",
    unit: "losses",
  });
  const losses = await optionLosses(options, {
    batchesOf: (examples, random) =>
      optionBatches.measuring(examples, random, {
        draw: "low_discrepancy",
        batchSize: sampling.sampleBatchSize,
      }),
    lossesOf,
    random: random.stream("option losses"),
    onProgress: (done) => progress.update(done),
  });
  await dispose();
  return losses;
}

/** A problem's right option, and both answers. */
interface AnsweredProblem {
  readonly set: string;
  readonly right: number | undefined;
  readonly byLoss: number;
  readonly named: number | undefined;
}

/** Both ways to answer, with the problems that each answers correctly. */
function waysOf(
  problems: readonly AnsweredProblem[],
  { sampler, sampleSteps, temperature, decodingTemperature }: SamplingConfig,
) {
  const none = problems.filter(({ named }) => named === undefined).length;
  return [{
    name: "denoising loss",
    isRight: problems.map(({ byLoss, right }) => byLoss === right),
    protocol:
      `the option whose clause has the lower mean of ${DRAWS} denoising losses, at the same ` +
      "noise and time steps for both, averaged weights",
  }, {
    name: "generation",
    isRight: problems.map(({ named, right }) => named === right),
    protocol:
      `the option that a text generated for the sentence begins with, none counts as wrong ` +
      `(${none} of ${problems.length}), ${sampler}, ${sampleSteps} steps, ` +
      `temperature ${temperature}, decoding temperature ${decodingTemperature}, averaged weights`,
  }];
}

/** Answers problems in both ways, and writes accuracy.csv. */
export async function answerOptions(
  session: SampleSession,
  sampleTexts: () => Promise<TextSamples>,
): Promise<TextSamples> {
  const { examples, sampling } = session;
  if (examples.length === 0) throw new UserError("there are no problems to answer");
  const losses = await lossesOfOptions(session);
  const { texts, figures: textFigures } = await sampleTexts();
  const problems = examples.map(({ set = "", options = [], right }, i): AnsweredProblem => {
    const named = namedOption(texts[i]!.text, options.map(({ name }) => name));
    return { set, right, byLoss: lowest(losses[i]!), named };
  });
  const figures: MeasuredFigure[] = [];
  const rows = [];
  for (const [set, own] of Map.groupBy(problems, ({ set }) => set)) {
    for (const { name, isRight, protocol } of waysOf(own, sampling)) {
      const scored = accuracyOf(isRight, CHANCE);
      const how = `the first ${own.length} problems, ${protocol}`;
      figures.push(accuracyFigure(`${set}, by ${name}`, scored, how));
      const { correct, count, accuracy, interval, chance } = scored;
      rows.push([set, name, correct, count, accuracy, ...interval, chance]);
    }
  }
  const header = ["set", "answered_by", "correct", "count", "accuracy", "low", "high", "chance"];
  await writeFileAtomic(`${session.folder}/accuracy.csv`, csv([header, ...rows]));
  return {
    texts: texts.map((text, i): SampledText => ({
      ...text,
      options: examples[i]!.options!.map(({ name }) => name),
      losses: losses[i]!,
      right: problems[i]!.byLoss === problems[i]!.right,
    })),
    figures: [...figures, ...textFigures],
  };
}
