/**
 * Stage `sample` of text.ts for Winograd schemas: which of two options a denoiser holds for right, by
 * its loss on either's clause, as diffusion classifiers do (Li et al. 2023, arXiv:2303.16203), and by
 * what it says itself.
 */
import { latentLosses } from "../denoiser/losses.ts";
import type { BatchTensors, DiffusionBatch, TimedBatch } from "../../diffusion/objective.ts";
import { trainableDenoiser } from "../denoiser/network.ts";
import type { Device } from "../../engine/device.ts";
import { UserError } from "../../base/errors.ts";
import { writeFileAtomic } from "../../base/files.ts";
import type { HostArray } from "../../engine/tree.ts";
import { constants } from "../../nn/parameters.ts";
import type { RandomStream } from "../../nn/random.ts";
import { Progress } from "../../cli/progress.ts";
import type { LatentExample } from "../data.ts";
import { latentTexts } from "../denoiser/batches.ts";
import type { TextDenoiserModel } from "../denoiser/checkpoint.ts";
import { accuracyOf } from "../../metrics/answers.ts";
import { accuracyFigure, type MeasuredFigure } from "../../metrics/measured_figure.ts";
import type { SampledText, SampleSession, TextSamples } from "./session.ts";

/** Draws of noise and time step that an option's loss is the mean of. */
const DRAWS = 20;

/** What guessing gives. */
const CHANCE = 0.5;

/** Losses of both options of problems [N][2]. */
export type OptionLosses = readonly (readonly number[])[];

/**
 * The denoising loss of each option, at the same noise and time steps for all options of a problem.
 *
 * @param batchesOf The batches of each option's examples, the problems in one order. The noise is that
 * of the stream.
 * @param lossesOf The losses [B] of a batch.
 * @param random A stream for each draw.
 * @param draws How many are averaged.
 * @param onProgress Is told how many losses are known.
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
): Promise<OptionLosses> {
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
): { lossesOf: (batch: DiffusionBatch) => Promise<ArrayLike<number>>; dispose(): Promise<void> } {
  const denoise = trainableDenoiser(config);
  const compiled = device.compile<{ batch: DiffusionBatch }, { losses: HostArray }>(
    ({ batch }) => ({
      losses: latentLosses(denoise, constants(parameters), batch as BatchTensors).plain,
    }),
  );
  return {
    lossesOf: async (batch) => (await compiled({ batch })).losses.data,
    dispose: () => compiled.dispose(),
  };
}

/**
 * Which option a text begins with, whatever the case: of options that begin alike, the longest.
 *
 * @returns Its index; undefined where the text begins with none, which counts as wrong.
 */
export function namedOption(text: string, names: readonly string[]): number | undefined {
  const said = text.trim().toLowerCase();
  let found: number | undefined;
  names.forEach((name, i) => {
    const wanted = name.trim().toLowerCase();
    const next = said.charAt(wanted.length);
    if (!said.startsWith(wanted) || /[\p{L}\p{N}]/u.test(next)) return;
    if (found === undefined || wanted.length > names[found]!.trim().length) found = i;
  });
  return found;
}

/** The option of the lower loss; the first of equals. */
const lowest = (losses: readonly number[]) => losses.indexOf(Math.min(...losses));

/** The first examples of each set that is scored. */
export function firstOfSets(examples: readonly LatentExample[], count: number): LatentExample[] {
  const seen = new Map<string, number>();
  return examples.filter(({ set = "" }) => {
    const number = (seen.get(set) ?? 0) + 1;
    seen.set(set, number);
    return number <= count;
  });
}

/** The losses of all options, with the session's denoiser. */
async function lossesOfOptions(
  { device, model, batches, encode, examples, config, sampling, random }: SampleSession,
): Promise<OptionLosses> {
  const options = [0, 1].map((option) =>
    examples.map((example) => ({ ...example, targets: [example.options![option]!.target] }))
  );
  const texts = latentTexts(options, config);
  const known = batches.knowing({ texts, latents: await encode(texts), ...model.scale });
  const { lossesOf, dispose } = compileExampleLosses(device, model);
  await using progress = new Progress({
    total: DRAWS * options.length * examples.length,
    label: "losses of options",
    unit: "losses",
  });
  const losses = await optionLosses(options, {
    batchesOf: (examples, random) =>
      known.measuring(examples, random, {
        draw: "low_discrepancy",
        batchSize: sampling.sampleBatchSize,
      }),
    ...{ lossesOf, random: random.stream("option losses") },
    onProgress: (done) => progress.update(done),
  });
  await dispose();
  return losses;
}

/**
 * Answers problems in both ways.
 *
 * @param session Whose examples have options.
 * @param drawTexts Says something to every problem, in order.
 */
export async function answerOptions(
  session: SampleSession,
  drawTexts: () => Promise<TextSamples>,
): Promise<TextSamples> {
  const { examples, sampling } = session;
  if (examples.length === 0) throw new UserError("there are no problems to answer");
  const losses = await lossesOfOptions(session);
  const { texts, figures: drawing } = await drawTexts();
  const rows = examples.map(({ set = "", options = [], right }, i) => {
    const named = namedOption(texts[i]!.text, options.map(({ name }) => name));
    return { set, right, byLoss: lowest(losses[i]!), named };
  });
  const figures: MeasuredFigure[] = [];
  const table = ["set,answered_by,correct,count,accuracy,low,high,chance"];
  for (const set of new Set(rows.map(({ set }) => set))) {
    const own = rows.filter((row) => row.set === set);
    const none = own.filter(({ named }) => named === undefined).length;
    const ways: [string, boolean[], string][] = [
      [
        "denoising loss",
        own.map(({ byLoss, right }) => byLoss === right),
        `the option whose clause has the lower mean of ${DRAWS} denoising losses, at the same ` +
        `noise and time steps for both, averaged weights`,
      ],
      [
        "generation",
        own.map(({ named, right }) => named === right),
        `the option that a text drawn for the sentence begins with, none counts as wrong ` +
        `(${none} of ${own.length}), ${sampling.sampler}, ${sampling.sampleSteps} steps, ` +
        `temperature ${sampling.temperature}, decoding temperature ` +
        `${sampling.decodingTemperature}, averaged weights`,
      ],
    ];
    for (const [way, right, how] of ways) {
      const accuracy = accuracyOf(right, CHANCE);
      const protocol = `the first ${own.length} problems, ${how}`;
      figures.push(accuracyFigure(`${set}, by ${way}`, accuracy, protocol));
      const { correct, count, interval, chance } = accuracy;
      table.push([set, way, correct, count, accuracy.accuracy, ...interval, chance].join(","));
    }
  }
  await writeFileAtomic(`${session.folder}/accuracy.csv`, table.join("\n") + "\n");
  return {
    texts: texts.map((text, i): SampledText => ({
      ...text,
      options: examples[i]!.options!.map(({ name }) => name),
      losses: losses[i]!,
      right: rows[i]!.byLoss === rows[i]!.right,
    })),
    figures: [...figures, ...drawing],
  };
}
