/** Stages `encode` and `diffusion` of text.ts: texts to latents, and a denoiser of them. */
import { latentLosses } from "./losses.ts";
import { latentNoiseSchedule } from "./schedules.ts";
import {
  conditionEncoderSpecs,
  latentDenoiserSpecs,
  type TextDenoiserConfig,
  textDenoiserConfig,
  trainableDenoiser,
} from "./network.ts";
import type { Device } from "../../engine/device.ts";
import { usageError, UserError } from "../../base/errors.ts";
import { compileValidationLoss, validationColumns } from "../../training/validation_loss.ts";
import {
  constants,
  countParameters,
  initParameters,
  type ParameterSpecs,
  unravel,
} from "../../nn/parameters.ts";
import { randomStream } from "../../nn/random.ts";
import { compileTextCodec } from "../../vae/text_codec.ts";
import { checkConditionLengths, ConditionTokens } from "../condition_tokens.ts";
import { compileTrainStep } from "../../training/step.ts";
import { denoiserLoss } from "../../training/denoiser_loss.ts";
import { MeanWindow } from "../../training/windows.ts";
import type { TrainingConfig } from "../../training/loop.ts";
import { openTraining, resumeRun, type TrainingResult } from "../../cli/training.ts";
import { Progress } from "../../cli/progress.ts";
import type { RunFolder } from "../../cli/run_folder.ts";
import { runDetails } from "../../cli/compare_runs.ts";
import { loadTrainState } from "../../training/checkpoint/state_tensors.ts";
import type { TextData } from "../data.ts";
import { blockCount, LatentBatches, latentTexts, sourceCount } from "./batches.ts";
import { textDiffusionCheckpoint } from "./checkpoint.ts";
import { DIFFUSION_EXTENDABLE, type TextDiffusionConfig } from "../denoiser_flags.ts";
import {
  encodeToLatents,
  latentScale,
  latentsKey,
  loadLatents,
  normalizeLatents,
  saveLatents,
  type TextLatents,
} from "./latents.ts";
import type { LoadedTextVae } from "../autoencoder/checkpoint.ts";

/** Columns of diffusion/metrics.csv. Q0 to Q3 are quarters of the time steps, from clean to noisy. */
export const TEXT_DIFFUSION_METRICS = [
  ...["loss", "lossQ0", "lossQ1", "lossQ2", "lossQ3"] as const,
  ...["valLoss", "valLossQ0", "valLossQ1", "valLossQ2", "valLossQ3"] as const,
  ...["gradNorm", "skippedSteps", "learningRate", "textsPerSecond"] as const,
];

/** What both stages work with. */
export interface TextDiffusionTask {
  /** Where tensors are computed. */
  readonly device: Device;
  /** The autoencoder. */
  readonly vae: LoadedTextVae;
  /** The data set. */
  readonly data: TextData;
  /** The settings. */
  readonly config: TextDiffusionConfig;
  /** The folder of the latents. */
  readonly folder: string;
}

/** The latents of a data set if they are there; undefined where they are not. */
async function findLatents({ vae, data, config, folder }: TextDiffusionTask) {
  const { train, validation } = data.examples(config);
  const texts = latentTexts([train, validation], config);
  const key = await latentsKey(vae.parameters, texts);
  return { texts, key, found: () => loadLatents(folder, texts, key) };
}

/**
 * Encodes a data set's texts, unless that is done already. Latents of another autoencoder or of other
 * texts are replaced.
 */
export async function encodeDataset(task: TextDiffusionTask): Promise<void> {
  const { device, vae, folder } = task;
  const { texts, key, found } = await findLatents(task);
  try {
    if (await found() !== undefined) {
      console.log(`encode: the latents of ${texts.length} texts are in ${folder} already`);
      return;
    }
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    console.log(`${error.message}: they are made anew`);
  }
  const codec = compileTextCodec(device, vae, vae.tokenizer.id("eos"));
  await using progress = new Progress({ total: texts.length, label: "encoding", unit: "texts" });
  const raw = await encodeToLatents(texts, { codec, ...vae }, (done) => progress.update(done));
  await progress.stop();
  await codec.dispose();
  const scale = latentScale(raw);
  await saveLatents(folder, { latents: normalizeLatents(raw, scale), ...scale }, key);
  const [count, latents, width] = raw.shape;
  console.log(`encode: ${count} texts as ${latents} latents of ${width} numbers, in ${folder}`);
}

/**
 * The latents that stage `encode` left.
 *
 * @throws {UserError} If there are none, or they are of another autoencoder or of other texts.
 */
export async function requireLatents(task: TextDiffusionTask): Promise<TextLatents> {
  const latents = await (await findLatents(task)).found();
  if (latents !== undefined) return latents;
  throw new UserError(`there are no latents in ${task.folder}: run --stage encode first`);
}

/** The denoiser that a configuration asks for, and the tokens that it reads. */
export function denoiserOf(
  config: TextDiffusionConfig,
  { config: vae, encoderTokenizer }: Pick<LoadedTextVae, "config" | "encoderTokenizer">,
  classes: number | null,
): { model: TextDenoiserConfig; tokens: ConditionTokens | undefined } {
  const { condition, conditionReader, conditionTokens } = config;
  const reads = condition !== "none" && condition !== "rating";
  const own = conditionReader === "new"
    ? { ...vae.encoder, maxPositionEmbeddings: conditionTokens + 2 }
    : vae.encoder;
  const encoder = reads && conditionReader !== "latents" ? own : null;
  const model = textDenoiserConfig({
    latents: vae.latents,
    latentWidth: vae.latentWidth,
    blocks: blockCount(config),
    classes,
    encoder,
    conditionBlocks: reads && conditionReader === "latents" ? sourceCount(config) : 0,
    nullCondition: config.conditionDropout > 0,
    layers: config.denoiserLayers,
    width: config.denoiserWidth,
    heads: config.denoiserHeads,
    selfConditioning: config.selfConditioning > 0,
  });
  if (encoder === null) return { model, tokens: undefined };
  const limit = Math.min(conditionTokens, encoder.maxPositionEmbeddings - 2);
  // A review may be cut; half of a question asks something else.
  const whole = {
    question: config.thoughtPasses === "multi" ? "question with its thoughts" : "question",
    sentence: "sentence",
  };
  return {
    model,
    tokens: new ConditionTokens(
      encoderTokenizer,
      limit,
      (whole as Record<string, string>)[condition],
    ),
  };
}

/** The schedule that a configuration asks for. */
export function textScheduleOf(
  { noiseSchedule, noiseShift, tanD, timesteps, prediction }: TextDiffusionConfig,
) {
  return latentNoiseSchedule(noiseSchedule, {
    ...{ noiseShift, tanD },
    numTrainTimesteps: timesteps,
    predictionType: prediction,
  });
}

/**
 * Refuses settings that are sound by themselves and not together.
 *
 * @throws {UserError} With exit code 2, naming the flags.
 */
export function checkDiffusion(config: TextDiffusionConfig): void {
  const { denoiserWidth, denoiserHeads, diffusionEvalEvery, diffusionLogEvery } = config;
  const { condition, thoughtPasses, objective, prediction } = config;
  const refuse = (wrong: boolean, message: string) => {
    if (wrong) throw usageError(message);
  };
  refuse(
    denoiserWidth % denoiserHeads !== 0,
    `--denoiser-width ${denoiserWidth} must be a multiple of --denoiser-heads ${denoiserHeads}.`,
  );
  refuse(
    diffusionEvalEvery % diffusionLogEvery !== 0,
    `--diffusion-eval-every ${diffusionEvalEvery} must be a multiple of --diffusion-log-every ` +
      `${diffusionLogEvery}.`,
  );
  const multi = condition === "question" && thoughtPasses === "multi";
  refuse(
    config.coupledSampling > 0 && !multi,
    `--coupled-sampling ${config.coupledSampling} is for --thought-passes multi.`,
  );
  refuse(
    config.scheduledSampling > 0 && (objective !== "diffusion" || prediction !== "sample"),
    `--scheduled-sampling ${config.scheduledSampling} is for --objective diffusion with ` +
      "--prediction sample.",
  );
  refuse(
    objective === "flow_matching" && config.minSnrGamma + config.p2Gamma > 0,
    "--min-snr-gamma and --p2-gamma are for --objective diffusion: a flow has no SNR weights.",
  );
  refuse(
    config.minSnrGamma > 0 && config.p2Gamma > 0,
    "--min-snr-gamma and --p2-gamma both weigh the loss: leave one of them out.",
  );
}

/** What a training needs besides. */
export interface TextDiffusionTraining extends TextDiffusionTask {
  /** The run's folder. */
  readonly run: RunFolder;
  /** The latents. */
  readonly latents: TextLatents;
  /** SHA-256 of the autoencoder. */
  readonly vaeHash: string;
  /** The seed. */
  readonly seed: number;
}

/** The settings by the names that the training loop uses. */
export function trainingConfigOf(
  config: TextDiffusionConfig,
): TrainingConfig & { readonly batchSize: number } {
  return {
    steps: config.diffusionSteps,
    batchSize: config.diffusionBatchSize,
    learningRate: config.diffusionLearningRate,
    lrSchedule: config.diffusionLrSchedule,
    warmupSteps: config.diffusionWarmupSteps,
    emaDecay: config.diffusionEmaDecay,
    logEvery: config.diffusionLogEvery,
    evalEvery: config.diffusionEvalEvery,
    checkpointEvery: config.diffusionCheckpointEvery,
  };
}

/** Trains a denoiser, from its last checkpoint on if there is one. */
export async function trainTextDiffusion(
  { device, vae, data, config, run, latents, vaeHash, seed }: TextDiffusionTraining,
): Promise<TrainingResult & { readonly done: number }> {
  const random = randomStream(seed).stream("diffusion");
  const { train, validation, classes } = data.examples(config);
  const { model, tokens } = denoiserOf(config, vae, classes);
  const schedule = textScheduleOf(config);
  checkConditionLengths([...train, ...validation], { config, vae, tokens });

  // What reads the condition: as it is in the autoencoder, or trained with the rest.
  const readerSpecs = conditionEncoderSpecs(model);
  const readerOfVae = () =>
    Object.fromEntries(Object.keys(readerSpecs).map((name) => [name, vae.parameters[name]!]));
  const frozen = config.conditionReader === "vae" ? readerOfVae() : {};
  const specs: ParameterSpecs = {
    ...latentDenoiserSpecs(model),
    ...(config.conditionReader === "vae" ? {} : readerSpecs),
  };
  const denoiser = trainableDenoiser(model);
  const denoise: typeof denoiser = (parameters, inputs) =>
    denoiser({ ...constants(frozen), ...parameters }, inputs);

  const batches = new LatentBatches({ config, schedule, latents, classes, tokens });
  const heldOut = batches.validation(validation);
  const trainStep = compileTrainStep(device, {
    specs,
    optimizer: {
      weightDecay: config.diffusionWeightDecay,
      maxGradNorm: config.diffusionMaxGradNorm,
    },
    loss: denoiserLoss(denoise, latentLosses),
  });
  const checkpoint = await resumeRun(run, DIFFUSION_EXTENDABLE);
  const state = checkpoint === undefined
    ? trainStep.start({
      ...initParameters(specs, random.stream("weights")),
      ...(config.conditionReader === "vae_trained" ? readerOfVae() : {}),
    })
    : trainStep.restore(loadTrainState(checkpoint, specs));
  const validationLoss = compileValidationLoss(device, {
    denoise,
    specs,
    numTrainTimesteps: config.timesteps,
    lossFunction: latentLosses,
  });
  const window = new MeanWindow(checkpoint?.state?.details?.["window"]);
  const checkpointOf = (step: number) =>
    textDiffusionCheckpoint({
      config: model,
      schedule,
      scale: latents,
      vae: vaeHash,
      state,
      step,
      seed,
      parameters: { ...frozen, ...unravel(state.ema, specs) },
      isFlow: config.objective === "flow_matching",
      configHash: run.record.configHash,
      details: { window: window.toJson(), run: runDetails(run.record) },
    });
  await using training = await openTraining({
    directory: run.directory,
    device,
    config: trainingConfigOf(config),
    unit: "texts",
    columns: TEXT_DIFFUSION_METRICS,
    checkpoint,
  });
  const { done } = training;
  console.log(
    `diffusion: ${
      countParameters(specs).toLocaleString("en")
    } parameters, ${train.length} examples, ` +
      `${model.dit.sampleSize} latents of ${vae.config.latentWidth} numbers, ${run.directory}` +
      `${done > 0 ? `, going on at step ${done}` : ""}`,
  );
  const batchAt = batches.training(train, random);
  for await (const step of training.steps({ trainStep, batchAt, state })) {
    window.addStep(step);
    window.addLosses(step.figures.losses.data, step.timesteps, config.timesteps);
    if (step.logs) {
      const measured = step.measures ? await validationLoss(state.ema, heldOut) : undefined;
      await training.log(step, window, validationColumns(measured));
    }
    if (step.saves) await training.save(step, checkpointOf(step.step));
  }
  await trainStep.dispose();
  await validationLoss.dispose();
  return { ...training.result(), done };
}
