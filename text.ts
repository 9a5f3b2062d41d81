/**
 * Trains a text autoencoder, in which BERT turns a text into latent vectors and GPT-2 says it again, and a
 * denoiser of these latents, which makes up texts and answers problems.
 *
 *     deno task text                                     # half an hour on a laptop
 *     deno task text --preset smoke                      # seconds, on the bundled sample
 *     deno task text --sample-only                       # seconds, from the weights in checkpoints/hotel-reviews
 *     deno task text --resume --steps 6000               # train the same run on
 *     deno task text --config runs/X/config.json         # the same run again, elsewhere
 *     deno task text --data-dir DIR --preset small       # an hour: the released checkpoint
 *     deno task text --dataset math --stage baseline --baseline cot # what to compare a denoiser with
 *     deno task text --help                              # every setting, with ranges and defaults
 *
 * Stages follow one another, and each is passed over where its result is there: vae, encode, diffusion,
 * sample, baseline, evaluate. A run's folder holds the autoencoder's config.json, metrics.csv, checkpoints/
 * (encoder and decoder in transformers' layout), evaluation.json and report.html, then latents/,
 * diffusion/ with the same of the denoiser, samples/ and evaluation/, and baseline-KIND/ and judge/.
 */
import { openDevice } from "./engine/device.ts";
import { EXIT } from "./base/errors.ts";
import { fileExists } from "./base/files.ts";
import { baselineOnce } from "./text/language_model/baseline_answers.ts";
import { evaluateStage } from "./text/evaluation/stage.ts";
import type { TextEvaluation } from "./text/evaluation/evaluate.ts";
import type { TextSamples } from "./text/sampling/session.ts";
import { checkSampleOnly, sampleTextsOnly } from "./text/sampling/sample_only.ts";
import { checkTextSampling, sampleOnce } from "./text/sampling/sample.ts";
import { weightsHash } from "./training/checkpoint/weights_identity.ts";
import { randomStream } from "./nn/random.ts";
import { figureLine } from "./report/report.ts";
import { reportTextDiffusion } from "./text/evaluation/report.ts";
import { reportTextVae } from "./text/autoencoder/report.ts";
import { findCheckpoint } from "./training/checkpoint/folders.ts";
import { parseFlags, resolveConfig } from "./cli/flags.ts";
import { helpText, wantsHelp } from "./cli/help.ts";
import { runProgram } from "./cli/program.ts";
import { openReplay } from "./cli/replay.ts";
import { openRunFolder } from "./cli/run_folder.ts";
import { BUNDLED, type DataOrigin } from "./cli/run_record.ts";
import { describeSession } from "./cli/session.ts";
import { checkTextConsistency, digitsOf } from "./text/config.ts";
import { DATASET_DEFAULTS } from "./text/dataset_defaults.ts";
import { baselineFolder, checkBaseline } from "./text/language_model/baseline.ts";
import { loadTextData } from "./text/data.ts";
import {
  checkDiffusion,
  encodeDataset,
  requireLatents,
  trainTextDiffusion,
} from "./text/denoiser/train.ts";
import { openTextDenoiser } from "./text/denoiser/checkpoint.ts";
import {
  DIFFUSION_EXTENDABLE,
  diffusionSettingsOf,
  evaluationSettingsOf,
  samplingSettingsOf,
  TEXT_PROGRAM_FLAGS,
  type TextDiffusionConfig,
  type TextEvaluationConfig,
  type TextSamplingConfig,
} from "./text/denoiser_flags.ts";
import {
  TEXT_ABOUT,
  TEXT_EXAMPLES,
  TEXT_EXTENDABLE,
  type TextConfig,
  type TextFlags,
  textSettingsOf,
} from "./text/flags.ts";
import { replayFlags, TEXT_PROGRAMS } from "./text/replay.ts";
import { openTextStart } from "./text/start.ts";
import { openTextVae } from "./text/autoencoder/checkpoint.ts";
import { checkNoLeak } from "./text/trained_on.ts";
import { trainTextVae } from "./text/autoencoder/train.ts";

/** From random weights, an hour on two cores: what checkpoints/text-vae was trained with. */
const SMALL: TextConfig = {
  dataset: "hotel_reviews",
  digits: "2x2", // of multiplication
  trainSize: "l", // of WinoGrande, 10,234 problems: xl takes four times as long
  seed: 0,
  // Training
  steps: 2000, // seven passes over all windows; copying takes the first 400
  batchSize: 16, // a thousand tokens: more steps teach copying sooner than larger ones
  ...{ accumulate: 1, freeze: "none" }, // a batch fits into memory
  optimizer: "adamw",
  learningRate: 2e-3, // small models stand more than PLANNER's 5e-4
  lrSchedule: "cosine", // the last tenth of the quality comes at low rates
  warmupSteps: 100, // Adam's variances are guesses until then
  weightDecay: 0.01, // PyTorch's default for AdamW
  maxGradNorm: 1, // as PLANNER
  adamBeta2: 0.99, // what latents say changes quickly while copying is learnt
  emaDecay: 0.999, // an upper bound: it starts low and grows, see nn/ema.ts
  logEvery: 20,
  evalEvery: 100,
  checkpointEvery: 100,
  validationSize: 200, // more tells no more of the mean
  // Texts
  maxTokens: 64,
  windows: true, // reviews are longer: eight times the text to learn from
  vocabSize: 4000, // half of the parameters are the two tables of tokens
  splitDigits: false,
  copySteps: 400, // by then, 99 % of the tokens are copied
  randomTexts: 0.1, // what cannot be guessed has to be read from the latents
  corruption: "substitute", // PLANNER's
  corruptionRatio: 0.3, // at most; with 0.5, tokens that are right are doubted, too
  corruptionPerText: "uniform", // clean texts are among them
  decoderCorruption: 0.2, // or it learns to guess and to do without latents
  // Network
  latents: 16, // PLANNER's
  latentWidth: 128, // 32 numbers a token: with 16, copying takes several times as long
  latentKind: "noise", // no divergence: it costs reconstruction before there is any
  latentSource: "stretches", // what is read where is given; with queries, it has to be found
  beta: 0,
  freeBits: 0,
  noiseDeviation: 0.4, // what diffusion leaves in latents must not change the text
  noisePerText: "fixed", // copying is what this decoder is for
  encoderLayers: 2,
  encoderWidth: 192,
  encoderHeads: 6,
  decoderLayers: 2,
  decoderWidth: 192,
  decoderHeads: 6,
  initializerRange: 0.05, // tokens are told apart sooner than with BERT's 0.02
  initialization: "aligned",
};

/** A denoiser of the autoencoder's latents, and how it is sampled. */
const DENOISER: TextDiffusionConfig & TextSamplingConfig & TextEvaluationConfig = {
  condition: "rating",
  conditionReader: "vae_trained", // it knows the words already
  conditionTokens: 62, // as many as the autoencoder reads
  conditionDropout: 0.1, // PLANNER's
  thoughtPasses: "single",
  maxThoughts: 8, // of GSM8K's problems, 99 % have no more
  randomCut: true, // as in Diffusion of Thought
  scheduledSampling: 0,
  coupledSampling: 0,
  objective: "diffusion",
  prediction: "sample", // PLANNER's; what self-conditioning and thresholds are about
  timesteps: 1000,
  noiseSchedule: "cosine", // PLANNER's
  noiseShift: 0,
  tanD: 9, // TEncDM's
  minSnrGamma: 0, // by it, high noise, where texts are decided, would weigh next to nothing
  p2Gamma: 0,
  p2K: 1,
  timestepSampling: "low_discrepancy", // the loss of batches varies least
  selfConditioning: 0.5, // without it, LD4LG's texts are much worse
  denoiserLayers: 6,
  denoiserWidth: 256,
  denoiserHeads: 8,
  diffusionSteps: 20_000,
  diffusionBatchSize: 64,
  diffusionLearningRate: 5e-4, // small models stand more than PLANNER's 1e-4
  diffusionLrSchedule: "cosine",
  diffusionWarmupSteps: 200,
  diffusionWeightDecay: 0.01,
  diffusionMaxGradNorm: 1,
  diffusionEmaDecay: 0.999,
  diffusionLogEvery: 50,
  diffusionEvalEvery: 500,
  diffusionCheckpointEvery: 500,
  diffusionValidationSize: 256,
  sampler: "ddim",
  sampleSteps: 50,
  guidance: 2, // LD4LG's
  eta: 0,
  dynamicThreshold: 0,
  ...{ temperature: 1, finalSigma: 0, decodingTemperature: 0 },
  samples: 50,
  votes: 1,
  sampleBatchSize: 25,
  trajectory: false,
  baseline: "none", // it takes as long again
  judgeSteps: 800, // with more, it learns 1,800 reviews by heart, and is surprised by others
};

type Settings = TextConfig & TextDiffusionConfig & TextSamplingConfig & TextEvaluationConfig;

/** The defaults of each preset. */
export const PRESETS: Record<"smoke" | "nano" | "small" | "base", Settings> = {
  // Seconds: every part runs, nothing is learned well. What tests use.
  smoke: {
    ...{ ...SMALL, ...DENOISER },
    steps: 30,
    batchSize: 8,
    warmupSteps: 10,
    logEvery: 5,
    evalEvery: 10,
    checkpointEvery: 10,
    validationSize: 16,
    copySteps: 10,
    maxTokens: 16,
    vocabSize: 400,
    latents: 8,
    latentWidth: 16,
    encoderLayers: 1,
    encoderWidth: 32,
    encoderHeads: 2,
    decoderLayers: 1,
    decoderWidth: 32,
    decoderHeads: 2,
    denoiserLayers: 1,
    denoiserWidth: 32,
    denoiserHeads: 2,
    diffusionSteps: 20,
    diffusionBatchSize: 8,
    diffusionWarmupSteps: 5,
    diffusionLogEvery: 5,
    diffusionEvalEvery: 10,
    diffusionCheckpointEvery: 10,
    diffusionValidationSize: 16,
    sampleSteps: 5,
    samples: 5,
    judgeSteps: 20,
  },
  // What a laptop does in half an hour. Of reviews, the data set has further defaults.
  nano: {
    ...{ ...SMALL, ...DENOISER },
    startFrom: "checkpoints/text-vae",
    steps: 500,
    copySteps: 0, // it copies already
    learningRate: 3e-4, // more would undo what a model to start from has learned
    corruption: "none", // with substitution, clean texts come back a little worse
    denoiserLayers: 4,
    denoiserWidth: 192,
    denoiserHeads: 6,
    diffusionSteps: 1500,
    diffusionBatchSize: 32,
    diffusionWarmupSteps: 100,
  },
  small: { ...SMALL, ...DENOISER },
  // Published BERT-base and GPT-2, each with its own tokenizer; days on two cores.
  base: {
    ...{ ...SMALL, ...DENOISER },
    encoderFrom: "google-bert/bert-base-uncased",
    decoderFrom: "openai-community/gpt2",
    batchSize: 8, // memory
    learningRate: 5e-5,
    emaDecay: 0, // memory: the state of 234 million parameters is 3.7 GB without an average
    ...{ copySteps: 0, randomTexts: 0 }, // what the two tokenizers share is the text alone
    vocabSize: 30_000, // where only one half is published
    latentWidth: 768,
    latentSource: "first", // PLANNER's
    encoderLayers: 12,
    encoderWidth: 768,
    encoderHeads: 12,
    decoderLayers: 12,
    decoderWidth: 768,
    decoderHeads: 12,
    initializerRange: 0.02,
    initialization: "random", // attention is as it was published
    denoiserLayers: 12,
    denoiserWidth: 768,
    denoiserHeads: 12,
  },
};

/** What nano does where there is no released model to begin with. */
const FROM_SCRATCH = {
  ...{ copySteps: 300, learningRate: SMALL.learningRate },
  freeze: "none",
} as const;

/** The defaults of a preset, and over them those of a data set. */
function defaultsOf(
  preset: keyof typeof PRESETS,
  { dataset, digits }: Pick<TextConfig, "dataset" | "digits">,
): Settings {
  return { ...PRESETS[preset], ...DATASET_DEFAULTS[dataset](digitsOf(digits), preset) };
}

/** The device that flags, or a record, ask for. */
function deviceOf({ device = "onnx", threads }: Pick<TextFlags, "device" | "threads">) {
  return openDevice(device, threads === undefined ? {} : { threads });
}

async function main(): Promise<number> {
  if (wantsHelp(Deno.args)) {
    console.log(helpText({
      usage: "deno task text [flags]",
      about: TEXT_ABOUT,
      examples: TEXT_EXAMPLES,
      flags: TEXT_PROGRAM_FLAGS,
      presets: Object.fromEntries(
        Object.entries(PRESETS).map(([preset, settings]) =>
          [preset, defaultsOf(preset as keyof typeof PRESETS, settings)] as const
        ),
      ),
      defaultPreset: "nano",
    }));
    return EXIT.done;
  }
  const flags = parseFlags(Deno.args, TEXT_PROGRAM_FLAGS);
  checkSampleOnly(flags);
  if (flags.sampleOnly) {
    const { preset = "nano", checkpoint = `${import.meta.dirname}/checkpoints/hotel-reviews` } =
      flags;
    await sampleTextsOnly(await deviceOf(flags), flags, {
      checkpoint,
      defaultsOf: (of) => defaultsOf(preset, of),
    });
    return EXIT.done;
  }
  const repeated = await openReplay(flags.config, {
    ...{ programs: TEXT_PROGRAMS, flags: TEXT_PROGRAM_FLAGS, given: flags },
    defaults: PRESETS.small,
  });
  const given = replayFlags(flags, repeated);
  const { preset = "nano", stage = "all" } = given;
  const evaluated = stage === "all" || stage === "evaluate" || stage === "baseline";
  const sampled = evaluated || stage === "sample";
  const recorded = repeated?.settings;
  const named = resolveConfig(recorded ?? PRESETS[preset], given);
  const defaults = recorded ?? defaultsOf(preset, named);
  const settings = resolveConfig(defaults, given);
  const resolved: TextConfig = textSettingsOf(settings);
  const diffusion: TextDiffusionConfig = diffusionSettingsOf(settings);
  const sampling: TextSamplingConfig = samplingSettingsOf(settings);
  const evaluation: TextEvaluationConfig = evaluationSettingsOf(settings);
  checkTextConsistency(resolved, given);
  checkDiffusion(diffusion);
  checkTextSampling(sampling, diffusion);
  checkBaseline(evaluation.baseline, diffusion, stage);
  const device = await deviceOf({ ...repeated, ...given });

  // The model to begin with, the data, and the folder.
  const start = await openTextStart(resolved, given, {
    scratch: FROM_SCRATCH,
    root: import.meta.dirname ?? ".",
  });
  const { config } = start;
  const data = await loadTextData(given, config, repeated?.sampleOnly);
  if (given.vae === undefined) checkNoLeak(start, data);
  data.examples(diffusion); // or there is no such condition
  const session = await describeSession(["text", ...Deno.args], device, {
    root: import.meta.dirname ?? ".",
    now: Date.now(),
    settings: {
      ...(stage === "vae" ? {} : diffusion),
      ...(sampled ? sampling : {}),
      ...(evaluated ? evaluation : {}),
    },
  });
  const origins: DataOrigin[] = [{
    name: `${config.dataset}, train`,
    origin: data.origin === "sample" ? BUNDLED : data.origin,
    sha256: data.sha256,
    rows: data.rows,
  }, ...start.origins];
  repeated?.check(origins, session).forEach((note) => console.log(note));
  const directory = given.out ?? repeated?.directory ??
    `runs/text-${config.dataset}-${preset}-${config.seed}`;
  using folder = given.vae !== undefined ? undefined : await openRunFolder({
    directory,
    automatic: given.out === undefined,
    program: "text",
    seed: config.seed,
    config,
    data: origins,
    session,
    resume: given.resume,
    // Of a later stage, only its own result is removed.
    overwrite: given.overwrite && (stage === "all" || stage === "vae"),
    results: [
      "report.html",
      "evaluation.json",
      "latents",
      "diffusion",
      "baseline-direct",
      "baseline-cot",
      "judge",
    ],
    extendable: TEXT_EXTENDABLE,
    steps: config.steps,
  });
  folder?.notes.forEach((note) => console.log(note));
  const root = folder?.directory ?? directory;

  // The autoencoder: the one that was named, or the run's own.
  if (folder !== undefined && (stage === "all" || stage === "vae")) {
    const newest = await findCheckpoint(root);
    const reported = await fileExists(`${root}/report.html`); // or it was cut off before that
    if (stage === "all" && reported && newest !== undefined && newest.step >= config.steps) {
      console.log(`vae: ${newest.directory} has its ${newest.step} steps already`);
    } else {
      const trained = await trainTextVae(start, { device, data, folder });
      if (trained.interrupted) return EXIT.interrupted;
      await reportTextVae(folder, { device, data, config, trained });
    }
  }
  if (stage === "vae") return EXIT.done;
  const vae = await openTextVae(given.vae ?? root);
  const vaeHash = await weightsHash(vae.parameters);
  const dataOfRun: DataOrigin[] = [...origins, {
    name: "autoencoder",
    origin: given.vae ?? "this run",
    sha256: { vae: vaeHash },
  }];
  repeated?.check(dataOfRun, session);
  const { dataset, digits, trainSize, seed, validationSize } = config; // what the texts are
  const overwrite = (stage === "evaluate" || stage === "baseline") && given.overwrite === true;
  const shared = { session, seed, data: dataOfRun, overwrite };

  // A GPT-2 to compare with, before there is a denoiser.
  const { baseline: kind } = evaluation;
  if (stage === "baseline" && kind !== "none") {
    const answers = await baselineOnce({
      ...{ device, vae, data, dataset, config: diffusion, sampling, kind, shared },
      folder: baselineFolder(root, kind),
      now: () => performance.now(),
    });
    if (answers === undefined) return EXIT.interrupted;
    answers.figures.forEach((figure) => console.log(figureLine(figure)));
    return EXIT.done;
  }

  // Latents.
  const task = { device, vae, data, config: diffusion, folder: `${root}/latents` };
  if (stage === "all" || stage === "encode") await encodeDataset(task);
  if (stage === "encode") return EXIT.done;

  // The denoiser.
  const place = `${root}/diffusion`;
  const isTrained = sampled && stage !== "all"; // or it is an error
  const denoiser = isTrained ? await openTextDenoiser(place, vaeHash) : undefined;
  const latents = denoiser === undefined ? await requireLatents(task) : undefined;
  using run = await openRunFolder({
    directory: place,
    program: "text-diffusion",
    seed,
    config: { dataset, digits, trainSize, seed, validationSize, ...diffusion },
    data: dataOfRun,
    session,
    resume: given.resume === true && await fileExists(`${place}/config.json`),
    overwrite: given.overwrite && stage === "diffusion",
    results: ["report.html", "samples", "evaluation"],
    extendable: DIFFUSION_EXTENDABLE,
    steps: diffusion.diffusionSteps,
  });
  const trained = latents === undefined
    ? undefined
    : await trainTextDiffusion({ ...task, run, latents, vaeHash, seed });
  if (trained?.interrupted) return EXIT.interrupted;
  const report = (samples: TextSamples, evaluation?: TextEvaluation) =>
    reportTextDiffusion(run, { device, data, config: diffusion, trained, samples, evaluation });
  if (stage === "diffusion") {
    await report({ texts: [], figures: [] });
    return EXIT.done;
  }

  // Samples, and what they are worth.
  const drawing = {
    ...{ device, vae, data, dataset, sampling, config: diffusion },
    model: denoiser ?? await openTextDenoiser(place, vaeHash),
    random: randomStream(seed).stream("sampling"),
    now: () => performance.now(),
  };
  const samples = await sampleOnce({ ...drawing, folder: `${place}/samples` });
  if (!evaluated) {
    await report(samples);
    return EXIT.done;
  }
  const table = await evaluateStage({
    ...{ ...drawing, samples, evaluation, root, folder: `${place}/evaluation` },
    shared,
  });
  if (table === undefined) return EXIT.interrupted;
  await report(samples, table);
  return EXIT.done;
}

if (import.meta.main) await runProgram(main);
