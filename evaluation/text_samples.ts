/** Stage `sample` of text.ts: texts, trajectories and answers, as files and as figures. */
import type { Device } from "../engine/device.ts";
import { isFlowSampler } from "../diffusion/samplers/registry.ts";
import { usageError, UserError } from "../engine/errors.ts";
import { makeFolder, writeFileAtomic } from "../engine/files.ts";
import { canonicalJson, type JsonObject, parseJsonObject, sha256 } from "../engine/json.ts";
import type { HostArray } from "../engine/tree.ts";
import type { RandomStream } from "../nn/random.ts";
import type { KeyFigure } from "../report/report.ts";
import type { LatentExample, TextData } from "../training/text_data.ts";
import { denoiserOf } from "../training/text_diffusion.ts";
import { LatentBatches, wholeExample } from "../training/text_diffusion_batches.ts";
import type { TextDenoiserModel } from "../training/text_diffusion_checkpoint.ts";
import type { TextDiffusionConfig, TextSamplingConfig } from "../training/text_diffusion_flags.ts";
import { encodeToLatents, normalizeLatents } from "../training/text_latents.ts";
import type { LoadedTextVae } from "../training/text_vae_checkpoint.ts";
import { compileTextCodec } from "../vae/text_codec.ts";
import {
  accuracyByVotes,
  describeAccuracy,
  exactMatch,
  extractDigits,
  extractNumber,
} from "./answers.ts";
import { compileLatentSampler, type LatentSampler, sayLatents } from "./text_sampling.ts";
import { weightsHash } from "./weights_hash.ts";
import { thinkInTurn, thinkTogether, type ThoughtModel, type Thoughts } from "./thought_answers.ts";

/** Samples whose every step is decoded. */
const TRAJECTORIES = 4;

/** Problems that the speed at batch 1 is measured with. */
const TIMED_PROBLEMS = 10;

/** What is sampled. */
export interface TextSampleTask {
  /** Where tensors are computed. */
  readonly device: Device;
  /** The autoencoder. */
  readonly vae: LoadedTextVae;
  /** The denoiser. */
  readonly model: TextDenoiserModel;
  /** The data set, and its name. */
  readonly data: TextData;
  /** The data set's name, which says how answers are written. */
  readonly dataset: string;
  /** What the denoiser was trained for. */
  readonly config: TextDiffusionConfig;
  /** How it is sampled. */
  readonly sampling: TextSamplingConfig;
  /** Everything random. */
  readonly random: RandomStream;
  /** The folder that files are written to; it is made. */
  readonly folder: string;
  /** Milliseconds from some moment on. */
  readonly now: () => number;
}

/** A text that was drawn. */
export interface SampledText {
  /** What it was made from, if anything. */
  readonly prompt?: string;
  /** The text. */
  readonly text: string;
  /** What was to come out, where that is known. */
  readonly reference?: string;
}

/** What came out. */
export interface TextSamples {
  /** The texts. */
  readonly texts: readonly SampledText[];
  /** Figures, if any were measured. */
  readonly figures: readonly KeyFigure[];
}

/** The parts that all kinds of sampling share. */
interface Session extends TextSampleTask {
  readonly sampler: LatentSampler;
  readonly batches: LatentBatches;
  readonly say: (latents: HostArray) => Promise<string[][]>;
  readonly empty: Float32Array;
  readonly examples: readonly LatentExample[];
}

/**
 * Refuses sampling settings that do not go with a model.
 *
 * @throws {UserError} With exit code 2, naming the flags.
 */
export function checkTextSampling(
  { sampler, guidance, sampleSteps }: TextSamplingConfig,
  { condition, conditionDropout, objective, timesteps }: TextDiffusionConfig,
): void {
  if (isFlowSampler(sampler) !== (objective === "flow_matching")) {
    throw usageError(
      objective === "flow_matching"
        ? `--sampler ${sampler}: the denoiser is trained by flow matching: use --sampler flow_euler.`
        : `--sampler ${sampler} is for --objective flow_matching: use another.`,
    );
  }
  if (sampleSteps > timesteps) {
    throw usageError(`--sample-steps ${sampleSteps} is more than the ${timesteps} --timesteps.`);
  }
  if (guidance !== 1 && (condition === "none" || conditionDropout === 0)) {
    throw usageError(
      `--guidance ${guidance} needs a condition that is dropped in training: use --guidance 1, or ` +
        "train with --condition-dropout above 0.",
    );
  }
}

/** What a folder's samples were made with; the last file to be written. */
const RECORD = "record.json";

/** Draws texts, or answers problems, unless the folder holds the result of the same settings. */
export async function sampleOnce(task: TextSampleTask): Promise<TextSamples> {
  const { folder, model, sampling, config, data } = task;
  const settings = {
    sampling,
    config,
    weights: await weightsHash(model.parameters),
    vae: model.vae,
  };
  const made = { ...settings, data: data.sha256 } as unknown as JsonObject;
  const key = await sha256(canonicalJson(made));
  const path = `${folder}/${RECORD}`;
  const text = await Deno.readTextFile(path).catch(() => undefined);
  const record = text === undefined ? undefined : parseJsonObject(text, path);
  if (record?.["key"] === key) {
    console.log(`sample: the same samples are in ${folder} already`);
    return record["samples"] as unknown as TextSamples;
  }
  await Deno.remove(folder, { recursive: true }).catch(() => {});
  const samples = await sampleTexts(task);
  await writeFileAtomic(path, JSON.stringify({ key, ...made, samples }, null, 2) + "\n");
  return samples;
}

/** Draws texts, or answers problems, and writes `samples.jsonl` and what belongs to it. */
export async function sampleTexts(task: TextSampleTask): Promise<TextSamples> {
  const { device, vae, model, data, config, sampling } = task;
  checkTextSampling(sampling, config);
  const { test, classes } = data.examples(config);
  const { tokens } = denoiserOf(config, vae, classes);
  const examples = config.condition === "none" || config.condition === "rating"
    ? Array.from({ length: sampling.samples }, (_, i): LatentExample => ({
      targets: [],
      ...(classes === null ? {} : { label: i % classes }),
    }))
    : test.slice(0, sampling.samples);
  for (const { source } of examples) {
    if (config.condition === "question") tokens?.encode(source ?? ""); // or it is too long
  }

  const codec = compileTextCodec(device, vae, vae.tokenizer.id("eos"));
  const known = config.conditionReader === "latents"
    ? ["", ...new Set(examples.flatMap(({ source }) => source ?? []))]
    : [""];
  const latents = normalizeLatents(await encodeToLatents(known, { codec, ...vae }), model.scale);
  const { latents: k, latentWidth: width } = vae.config;
  const batches = new LatentBatches({
    ...{ config, schedule: model.schedule, classes },
    latents: { texts: known, latents, ...model.scale },
    tokens: tokens?.cutting(),
  });
  const sampler = compileLatentSampler(device, model, sampling);
  const session: Session = {
    ...{ ...task, sampler, batches, examples },
    say: (latents) => sayLatents(latents, k, { codec, ...vae, scale: model.scale }),
    empty: latents.data.slice(0, k * width) as Float32Array,
  };
  await makeFolder(task.folder);
  const samples = config.condition === "question"
    ? await answerProblems(session)
    : await drawTexts(session);
  await sampler.dispose();
  await codec.dispose();
  const lines = samples.texts.map((sample) => JSON.stringify(sample) + "\n");
  await writeFileAtomic(`${task.folder}/samples.jsonl`, lines.join(""));
  return samples;
}

/** Writes every denoising step of some samples down, as text. */
class TrajectoryLog {
  readonly #steps: { numbers: readonly number[]; pass: number; step: number; timestep: number }[] =
    [];
  readonly #predicted: HostArray[] = [];
  #pass = 0;

  /** What a drawing is to tell its steps. @param numbers The samples'. */
  listener(numbers: readonly number[]): (predicted: HostArray, timestep: number) => void {
    const pass = ++this.#pass;
    let step = 0;
    return (predicted, timestep) => {
      this.#steps.push({ numbers, pass, step: ++step, timestep });
      this.#predicted.push(predicted);
    };
  }

  /** Says the steps, a line of `trajectory.jsonl` for each and for each sample. */
  async write(folder: string, say: Session["say"]): Promise<void> {
    const lines: string[] = [];
    for (const [i, { numbers, ...at }] of this.#steps.entries()) {
      const said = await say(this.#predicted[i]!);
      numbers.forEach((sample, row) => {
        const text = said[row]!.filter((block) => block !== "").join(" ");
        lines.push(JSON.stringify({ sample, ...at, text }) + "\n");
      });
    }
    await writeFileAtomic(`${folder}/trajectory.jsonl`, lines.join(""));
  }
}

/** Draws texts of one block each, a few of them with every step. */
async function drawTexts(session: Session): Promise<TextSamples> {
  const { examples, sampling, batches, sampler, say, random, folder } = session;
  const texts: SampledText[] = [];
  const { sampleBatchSize: size } = sampling;
  const draw = (
    part: readonly LatentExample[],
    start: number,
    onStep?: Parameters<
      LatentSampler["draw"]
    >[1],
  ) =>
    sampler.draw({
      condition: batches.asked(
        part.map((example) => wholeExample(example, 1)),
        part.map(({ label }) => label),
      ),
      numbers: part.map((_, i) => start + i),
      random: random.stream("samples"),
    }, onStep);
  for (let start = 0; start < examples.length; start += size) {
    const part = examples.slice(start, start + size);
    const said = await say(await draw(part, start));
    part.forEach(({ source, label, targets: [reference] }, i) => {
      const prompt = source ?? (label === undefined ? undefined : `rating ${label + 1}`);
      texts.push({
        ...(prompt === undefined ? {} : { prompt }),
        text: said[i]![0]!,
        ...(reference === undefined ? {} : { reference }),
      });
    });
  }
  if (sampling.trajectory) {
    const part = examples.slice(0, TRAJECTORIES);
    const log = new TrajectoryLog();
    await draw(part, 0, log.listener([...part.keys()]));
    await log.write(folder, say);
  }
  return { texts, figures: [] };
}

/** Answers problems, votes on them, and measures the speed at batch 1. */
async function answerProblems(session: Session): Promise<TextSamples> {
  const { examples, sampling, config, batches, sampler, say, empty, vae, now } = session;
  const { votes, sampleBatchSize: size } = sampling;
  if (examples.length === 0) throw new UserError("there are no problems to answer");
  let log: TrajectoryLog | undefined;
  const model: ThoughtModel = {
    draw: (layouts, request) =>
      sampler.draw(
        { condition: batches.asked(layouts, []), ...request },
        log?.listener(request.numbers),
      ),
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
  for (let vote = 0; vote < votes; vote++) {
    for (let start = 0; start < examples.length; start += size) {
      const part = examples.slice(start, start + size);
      const solved = await solve(part, part.map((_, i) => vote * examples.length + start + i));
      solved.forEach((thoughts, i) => solutions[start + i]!.push(thoughts));
    }
  }
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
  const protocol = `${examples.length} held-out problems, exact match of the answer, ` +
    `${config.thoughtPasses} pass, ${sampling.sampler}, ${sampling.sampleSteps} steps, temperature ` +
    `${sampling.temperature}, greedy decoding, averaged weights`;
  const ties = "of as many votes, the answer that was given first";
  const figures: KeyFigure[] = [
    { name: "Accuracy, one sample", value: describeAccuracy(byVotes[0]!), protocol },
    ...(votes === 1 ? [] : [{
      name: `Accuracy, ${votes} votes`,
      value: describeAccuracy(byVotes.at(-1)!),
      protocol: `${protocol}; majority; ${ties}`,
    }]),
    {
      name: "Speed at batch 1",
      value: `${(thoughts / seconds).toFixed(2)} thoughts/s, ${
        (timed.length / seconds).toFixed(2)
      } problems/s`,
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
