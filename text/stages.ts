/**
 * The stages of text.ts. A stage reads the results of earlier ones in the run's folder and writes its own
 * result there. A result of the same settings that exists already is not computed again.
 */
import { fileExists } from "../base/files.ts";
import { UserError } from "../base/errors.ts";
import { findCheckpoint } from "../training/checkpoint/folders.ts";
import { randomStream } from "../nn/random.ts";
import { readTrainingTime, trainingSummary } from "../cli/training_time.ts";
import { AUTOENCODER_RESULTS, measureAutoencoder } from "./autoencoder/report.ts";
import { trainTextVae } from "./autoencoder/train.ts";
import { encodeDataset, type EncodingTask, requireLatents } from "./denoiser/encode.ts";
import { trainDenoiser } from "./denoiser/train.ts";
import { evaluateTextsOnce, generatesFreeText } from "./evaluation/evaluate.ts";
import { baselineFolder, BASELINES, type SharedRun } from "./language_model/baseline.ts";
import { baselineOnce } from "./language_model/baseline_answers.ts";
import { openPerplexityModel } from "./language_model/perplexity_model.ts";
import type { TextRun } from "./run.ts";
import { sampleOnce } from "./sampling/sample.ts";
import type { TextSampleTask } from "./sampling/session.ts";
import type { SettingsGroup, TextFlags } from "./settings.ts";

type StageChoice = NonNullable<TextFlags["stage"]>;

export interface Stage {
  readonly name: Exclude<StageChoice, "all">;
  readonly needs: readonly Stage["name"][]; // stages whose results must exist
  /** Stages that run before it, even if it is picked alone. */
  readonly includes?: readonly Stage["name"][];
  readonly makes: string; // result, as a path in the run's folder
  readonly settings: readonly SettingsGroup[]; // they identify the result
  /** Computes the result, unless it exists. @returns Whether it is complete: false after Ctrl-C. */
  readonly run: (run: TextRun) => Promise<boolean>;
}

/** All stages, in order. */
export const STAGES: readonly Stage[] = [
  {
    name: "vae",
    needs: [],
    makes: "checkpoints",
    settings: ["autoencoder"],
    run: trainAutoencoder,
  },
  {
    name: "encode",
    needs: ["vae"],
    makes: "latents/latents.safetensors",
    settings: ["autoencoder", "denoiser"],
    run: encode,
  },
  {
    name: "diffusion",
    needs: ["vae", "encode"],
    makes: "diffusion/checkpoints",
    settings: ["autoencoder", "denoiser"],
    run: trainDiffusion,
  },
  {
    name: "sample",
    needs: ["vae", "diffusion"],
    makes: "diffusion/samples",
    settings: ["autoencoder", "denoiser", "sampling"],
    run: sample,
  },
  {
    name: "baseline",
    needs: ["vae"],
    makes: "baseline-KIND/samples",
    settings: ["autoencoder", "denoiser", "sampling", "evaluation"],
    run: answerWithBaseline,
  },
  {
    name: "evaluate",
    needs: ["vae", "diffusion"],
    includes: ["sample", "baseline"],
    makes: "diffusion/evaluation",
    settings: ["autoencoder", "denoiser", "sampling", "evaluation"],
    run: evaluate,
  },
];

/** The stages that a choice picks, in order. */
export function pickStages(choice: StageChoice = "all"): Stage[] {
  const picked = STAGES.filter(({ name }) => choice === "all" || choice === name);
  const names = picked.flatMap(({ name, includes = [] }) => [name, ...includes]);
  return STAGES.filter(({ name }) => names.includes(name));
}

/** Runs stages, one after the other. Returns whether all are complete: false after Ctrl-C. */
export async function runStages(run: TextRun, stages: readonly Stage[]): Promise<boolean> {
  for (const stage of stages) {
    for (const need of stage.needs) await requireResult(run, need);
    if (!await stage.run(run)) return false;
  }
  return true;
}

async function requireResult({ root, given }: TextRun, name: Stage["name"]): Promise<void> {
  if (name === "vae" && given.vae !== undefined) return;
  const { makes } = STAGES.find((stage) => stage.name === name)!;
  if (await fileExists(`${root}/${makes}`)) return;
  const otherwise = name === "vae" ? ", or name an autoencoder by --vae" : "";
  throw new UserError(`there is no ${root}/${makes}: run --stage ${name} first${otherwise}`);
}

/** Stage `vae`: trains the autoencoder, measures it, and writes its report. */
async function trainAutoencoder(run: TextRun): Promise<boolean> {
  const { given: { stage = "all" }, device, start, data, folder, root, log } = run;
  if (folder === undefined) return true;
  const { config } = start;
  const newest = await findCheckpoint(root);
  const isMeasured = await fileExists(`${root}/${AUTOENCODER_RESULTS}`);
  if (stage === "all" && isMeasured && newest !== undefined && newest.step >= config.steps) {
    log(`vae: ${newest.directory} has its ${newest.step} steps already`);
    return true;
  }
  const trained = await trainTextVae(start, { device, data, folder, log });
  if (trained.interrupted) return false;
  log(await timeOf(root, { config, device }));
  run.results.autoencoder = await measureAutoencoder(root, { device, config, trained });
  return true;
}

/** How long a training took, in a sentence. */
async function timeOf(
  directory: string,
  run: Omit<Parameters<typeof trainingSummary>[1], "unit">,
): Promise<string> {
  return trainingSummary(await readTrainingTime(directory), { ...run, unit: "texts" });
}

async function encodingTask({ device, vae, data, settings, root }: TextRun): Promise<EncodingTask> {
  return { device, vae: await vae(), data, config: settings.denoiser, folder: `${root}/latents` };
}

/** Stage `encode`: the latents of the data set's texts. */
async function encode(run: TextRun): Promise<boolean> {
  await encodeDataset(await encodingTask(run), run.log);
  return true;
}

/** Stage `diffusion`: trains the denoiser. */
async function trainDiffusion(run: TextRun): Promise<boolean> {
  const task = await encodingTask(run);
  const latents = await requireLatents(task);
  const trained = await trainDenoiser({
    ...task,
    run: await run.denoiserFolder(),
    latents,
    seed: run.settings.autoencoder.seed,
    log: run.log,
  });
  if (trained.interrupted) return false;
  run.results.hasDenoiser = true;
  run.log(await timeOf(`${run.root}/diffusion`, { config: task.config, device: task.device }));
  return true;
}

async function sampleTask(run: TextRun): Promise<TextSampleTask> {
  const { device, data, settings: { autoencoder, denoiser, sampling }, root, log } = run;
  const model = await run.denoiser();
  await run.denoiserFolder(); // it records the settings of sampling
  return {
    device,
    vae: await run.vae(),
    model,
    data,
    dataset: autoencoder.dataset,
    config: denoiser,
    sampling,
    random: randomStream(autoencoder.seed).stream("sampling"),
    folder: `${root}/diffusion/samples`,
    now: () => performance.now(),
    log,
  };
}

/** Stage `sample`: texts, or answers to problems. */
async function sample(run: TextRun): Promise<boolean> {
  run.results.hasDenoiser = true;
  run.results.samples = await sampleOnce(await sampleTask(run));
  return true;
}

/** What the runs of baselines and of the perplexity model share with the denoiser's. */
async function sharedRun(run: TextRun): Promise<SharedRun> {
  const { stage, overwrite = false } = run.given;
  const owns = stage === "evaluate" || stage === "baseline";
  return { ...await run.shared(), overwrite: overwrite && owns };
}

/** Stage `baseline`: a GPT-2 of the denoiser's size that answers the same problems. */
async function answerWithBaseline(run: TextRun): Promise<boolean> {
  const { device, data, settings: { autoencoder, denoiser, sampling, evaluation }, root } = run;
  const { baseline: kind } = evaluation;
  if (kind === "none") return true;
  const answers = await baselineOnce({
    device,
    vae: await run.vae(),
    data,
    dataset: autoencoder.dataset,
    config: denoiser,
    sampling,
    kind,
    folder: baselineFolder(root, kind),
    shared: await sharedRun(run),
    now: () => performance.now(),
    log: run.log,
  });
  if (answers === undefined) return false;
  if (run.given.stage === "baseline") run.results.baseline = answers.figures;
  return true;
}

/** Stage `evaluate`: one table of all figures. */
async function evaluate(run: TextRun): Promise<boolean> {
  const { data, settings: { denoiser, evaluation }, root } = run;
  const task = await sampleTask(run);
  const isFree = generatesFreeText(denoiser);
  const perplexityModel = isFree
    ? await openPerplexityModel(evaluation, {
      device: task.device,
      vae: task.vae,
      examples: data.examples(denoiser),
      folder: `${root}/judge`,
      shared: await sharedRun(run),
      log: run.log,
    })
    : undefined;
  if (isFree && perplexityModel === undefined) return false;
  run.results.evaluation = await evaluateTextsOnce({
    ...task,
    folder: `${root}/diffusion/evaluation`,
    samples: run.results.samples!,
    baselines: BASELINES.map((kind) => baselineFolder(root, kind)),
    perplexityModel,
  });
  return true;
}
