/** Stage `sample` of text.ts: texts, trajectories and answers, as files and as figures. */
import { isFlowSampler } from "../diffusion/samplers/registry.ts";
import { usageError } from "../engine/errors.ts";
import { makeFolder, writeFileAtomic } from "../engine/files.ts";
import { canonicalJson, type JsonObject, parseJsonObject, sha256 } from "../engine/json.ts";
import type { LatentExample } from "../training/text_data.ts";
import { denoiserOf } from "../training/text_diffusion.ts";
import { LatentBatches, wholeExample } from "../training/text_diffusion_batches.ts";
import type { TextDiffusionConfig, TextSamplingConfig } from "../training/text_diffusion_flags.ts";
import { encodeToLatents, normalizeLatents } from "../training/text_latents.ts";
import { compileTextCodec } from "../vae/text_codec.ts";
import { answerOptions, firstOfSets } from "./option_answers.ts";
import { answerProblems } from "./problem_answers.ts";
import {
  type SampledText,
  type SampleSession,
  type TextSamples,
  type TextSampleTask,
  TRAJECTORIES,
  TrajectoryLog,
} from "./text_sample_session.ts";
import { compileLatentSampler, type LatentSampler, sayLatents } from "./text_sampling.ts";
import { weightsHash } from "./weights_hash.ts";

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
    : firstOfSets(test, sampling.samples);
  if (config.condition === "question" || config.condition === "sentence") {
    for (const { source } of examples) tokens?.encode(source ?? ""); // or it is too long
  }

  const codec = compileTextCodec(device, vae, vae.tokenizer.id("eos"));
  const known = config.conditionReader === "latents"
    ? ["", ...new Set(examples.flatMap(({ source }) => source ?? []))]
    : [""];
  const encode = async (texts: readonly string[]) =>
    normalizeLatents(await encodeToLatents(texts, { codec, ...vae }), model.scale);
  const latents = await encode(known);
  const { latents: k, latentWidth: width } = vae.config;
  const batches = new LatentBatches({
    ...{ config, schedule: model.schedule, classes },
    latents: { texts: known, latents, ...model.scale },
    tokens: tokens?.cutting(),
  });
  const sampler = compileLatentSampler(device, model, sampling);
  const session: SampleSession = {
    ...{ ...task, sampler, batches, examples, encode },
    say: (latents) => sayLatents(latents, k, { codec, ...vae, scale: model.scale }),
    empty: latents.data.slice(0, k * width) as Float32Array,
  };
  await makeFolder(task.folder);
  const kinds = {
    question: answerProblems,
    sentence: (session: SampleSession) => answerOptions(session, () => drawTexts(session)),
  } as Partial<Record<typeof config.condition, typeof drawTexts>>;
  const samples = await (kinds[config.condition] ?? drawTexts)(session);
  await sampler.dispose();
  await codec.dispose();
  const lines = samples.texts.map((sample) => JSON.stringify(sample) + "\n");
  await writeFileAtomic(`${task.folder}/samples.jsonl`, lines.join(""));
  return samples;
}

/** Draws texts of one block each, a few of them with every step. */
async function drawTexts(session: SampleSession): Promise<TextSamples> {
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
