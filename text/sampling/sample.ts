/** Stage `sample` of text.ts: texts, trajectories and answers, as files and as figures. */
import { isFlowSampler, samplerOptions } from "../../diffusion/samplers/registry.ts";
import { writeFileAtomic } from "../../base/files.ts";
import { usageError } from "../../base/errors.ts";
import { isTextCondition, type LatentExample } from "../examples.ts";
import { denoiserOf } from "../denoiser/config.ts";
import { LatentBatches } from "../denoiser/batches.ts";
import {
  type DenoiserConfig,
  flatSettings,
  type SamplingConfig,
  type TextFlags,
} from "../settings.ts";
import { refuse } from "../config.ts";
import { checkConditionLengths } from "../condition_tokens.ts";
import { encodeToLatents, normalizeLatents } from "../denoiser/latents.ts";
import { compileTextCodec } from "../../vae/text_codec.ts";
import { sampleTexts } from "./texts.ts";
import { cachedResult } from "../../cli/cached_result.ts";
import { answerOptions, firstOfSets } from "./option_answers.ts";
import { answerProblems } from "./problem_answers.ts";
import type { SampleSession, TextSamples, TextSampleTask } from "./session.ts";
import { compileLatentSampler, decodeLatents, finalSigmaOf } from "./latents.ts";
import { weightsHash } from "../../training/checkpoint/weights_identity.ts";

/** Refuses flags that have no effect on samples of a denoiser and a data set. */
export function checkSamplingFlags(
  { votes, eta, dataDir, digits }: TextFlags,
  { sampler, dataset, condition }: {
    readonly sampler: SamplingConfig["sampler"];
    readonly dataset: string;
    readonly condition: DenoiserConfig["condition"];
  },
): void {
  refuse(
    votes !== undefined && !isTextCondition(condition),
    `--votes ${votes} is for problems, and texts with a source: leave it out.`,
  );
  refuse(
    eta !== undefined && !samplerOptions(sampler).includes("eta"),
    `--eta ${eta} is for --sampler ddim: ${sampler} does not take it.`,
  );
  refuse(
    dataDir !== undefined && dataset === "multiplication",
    `--data-dir ${dataDir}: multiplication is generated and reads no files: leave it out.`,
  );
  refuse(
    digits !== undefined && dataset !== "multiplication",
    `--digits ${digits} is for --dataset multiplication, not ${dataset}.`,
  );
}

/** Refuses sampling settings that do not fit a denoiser. */
export function checkTextSampling(
  { sampler, guidance, sampleSteps, finalSigma, rating, label }: SamplingConfig,
  { condition, conditionDropout, objective, timesteps }: DenoiserConfig,
): void {
  const isFlow = objective === "flow_matching";
  refuse(
    isFlow && !isFlowSampler(sampler),
    `--sampler ${sampler}: the denoiser is trained by flow matching: use --sampler flow_euler.`,
  );
  refuse(
    !isFlow && isFlowSampler(sampler),
    `--sampler ${sampler} is for --objective flow_matching: use another.`,
  );
  refuse(
    sampleSteps > timesteps,
    `--sample-steps ${sampleSteps} is more than the ${timesteps} --timesteps.`,
  );
  refuse(
    finalSigma > 0 && condition === "question",
    `--final-sigma ${finalSigma} is for texts: each thought is given to the next one without noise.`,
  );
  refuse(
    rating !== undefined && condition !== "rating",
    `--rating ${rating} is for --condition rating, not ${condition}.`,
  );
  refuse(
    label !== undefined && condition !== "label",
    `--label ${label} is for --condition label, not ${condition}.`,
  );
  refuse(
    guidance !== 1 && (condition === "none" || conditionDropout === 0),
    `--guidance ${guidance} needs a condition that is dropped in training: use --guidance 1, or ` +
      "train with --condition-dropout above 0.",
  );
}

/** The settings, with at most the final noise that the decoder was trained with. */
function effectiveSampling({ vae, model, sampling }: TextSampleTask): SamplingConfig {
  const finalSigma = finalSigmaOf(sampling.finalSigma, vae.config, model.scale);
  return { ...sampling, finalSigma };
}

/** Generates texts, or answers problems, unless the folder holds the result of the same settings. */
export async function sampleOnce(task: TextSampleTask): Promise<TextSamples> {
  const { folder, vae, model, config, data, log } = task;
  const from = {
    sampling: flatSettings({ sampling: effectiveSampling(task) }),
    config: flatSettings({ denoiser: config }),
    vae: vae.hash,
    data: data.sha256,
    weights: weightsHash(model.parameters),
  };
  return await cachedResult(folder, from, "sample: the same samples are", {
    make: () => makeSamples(task),
    log,
  });
}

/** The class that is asked for, of the names of all; undefined for all in turn. */
export function requestedClass(
  { rating, label }: Pick<SamplingConfig, "rating" | "label">,
  classes: readonly string[] | null,
): number | undefined {
  const name = rating === undefined ? label : String(rating);
  if (name === undefined || classes === null) return undefined;
  const index = classes.indexOf(name);
  if (index >= 0) return index;
  throw usageError(`--label ${name}: no such label; there are ${classes.join(", ")}`);
}

/** The examples to sample: classes in turn, or the first held-out examples of each set. */
function examplesToSample({ data, config, sampling }: TextSampleTask): LatentExample[] {
  const { test, classes } = data.examples(config);
  if (isTextCondition(config.condition)) {
    return firstOfSets(test, sampling.samples);
  }
  const requested = requestedClass(sampling, classes);
  return Array.from({ length: sampling.samples }, (_, i): LatentExample => ({
    targets: [],
    ...(classes === null ? {} : { label: requested ?? i % classes.length }),
  }));
}

/** Compiles the models of a task, for the conditions of these examples. */
export async function openSampleSession(
  task: TextSampleTask,
  examples: readonly LatentExample[],
): Promise<{ readonly session: SampleSession; dispose(): Promise<void> }> {
  const { device, vae, model, data, config } = task;
  const sampling = effectiveSampling(task);
  const { classes } = data.examples(config);
  const { tokens } = denoiserOf(config, vae, classes);
  const questions = examples.map((example) => ({ ...example, targets: [] }));
  checkConditionLengths(questions, { config, vae, tokens });
  const codec = compileTextCodec(device, vae, vae.tokenizer.id("eos"));
  const known = config.conditionReader === "latents"
    ? ["", ...new Set(examples.flatMap(({ source }) => source ?? []))]
    : [""];
  const encode = async (texts: readonly string[]) =>
    normalizeLatents(await encodeToLatents(texts, { codec, ...vae }), model.scale);
  const latents = await encode(known);
  const { latents: k, latentWidth: width } = vae.config;
  const batches = new LatentBatches({
    config,
    schedule: model.schedule,
    classes: classes?.length ?? null,
    latents: { texts: known, latents, ...model.scale },
    tokens: tokens?.cutting(),
  });
  const sampler = compileLatentSampler(device, model, sampling);
  const session: SampleSession = {
    ...task,
    sampling,
    sampler,
    batches,
    examples,
    encode,
    decode: (latents, request) =>
      decodeLatents(
        latents,
        k,
        { codec, ...vae, scale: model.scale },
        request && {
          ...request,
          temperature: sampling.decodingTemperature,
        },
      ),
    empty: latents.data.slice(0, k * width) as Float32Array,
  };
  const dispose = async () => {
    await sampler.dispose();
    await codec.dispose();
  };
  return { session, dispose };
}

/** Generates texts, or answers problems, and writes `samples.jsonl` and further files. */
async function makeSamples(task: TextSampleTask): Promise<TextSamples> {
  checkTextSampling(task.sampling, task.config);
  const { session, dispose } = await openSampleSession(task, examplesToSample(task));
  const [wanted, { finalSigma }] = [task.sampling.finalSigma, session.sampling];
  if (finalSigma < wanted) {
    task.log(
      `sample: the decoder was trained with a ratio of noise to data of at most ` +
        `${finalSigma.toFixed(2)}: sampling ends there, not at ${wanted}`,
    );
  }
  const samples = await sampleKind(session);
  await dispose();
  const lines = samples.texts.map((sample) => JSON.stringify(sample) + "\n");
  await writeFileAtomic(`${task.folder}/samples.jsonl`, lines.join(""));
  return samples;
}

/** Samples in the way of the condition: answers to problems, answers to options, or texts. */
function sampleKind(session: SampleSession): Promise<TextSamples> {
  const { condition } = session.config;
  if (condition === "question") return answerProblems(session);
  if (condition === "sentence") return answerOptions(session, () => sampleTexts(session));
  return sampleTexts(session);
}
