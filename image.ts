/**
 * Trains a diffusion model on FashionMNIST, draws samples with it and writes a report.
 *
 *     deno task image                                    # nano: a few minutes on two cores
 *     deno task image --preset smoke                     # seconds, on the bundled sample
 *     deno task image --preset small --seed 1            # hours; Ctrl-C saves, the same command goes on
 *     deno task image --resume --steps 6000              # more steps for a run that is there
 *     deno task image --config runs/image-nano-0/config.json  # the same run again, elsewhere
 *     deno task image --preset small --start-from checkpoints/fashion-mnist  # better ones from those
 *     deno task image --sample-only                      # from the weights that come with the project
 *     deno task image --sample-only --checkpoint runs/image-nano-0 --class Sneaker --guidance 3
 *     deno task image --sample-only --inpaint half       # test images, their right half drawn anew
 *     deno task image --sample-only --interpolate Sneaker,Bag --encode
 *     deno task image --sample-only --evaluate           # FID and other figures: minutes to an hour
 *     deno task image --study ddim                       # FID against steps and eta: hours
 *     deno task image --help                             # every setting, with ranges and defaults
 *
 * A run's folder holds config.json, metrics.csv, checkpoints/ (diffusers' layout), samples/ (grid.png,
 * trajectory.gif) and report.html.
 */
import {
  describeNetwork,
  networkSpecs,
  trainableNetwork,
} from "./diffusion/networks/image_network.ts";
import { type Device, openDevice } from "./engine/device.ts";
import { EXIT } from "./base/errors.ts";
import type { JsonObject } from "./base/json.ts";
import { prepareEvaluation } from "./image/evaluation/tool.ts";
import { drawAndReport } from "./image/sample_and_report.ts";
import { sampleOnly } from "./image/sampling/sample_only.ts";
import { compileValidationLoss } from "./training/validation_loss.ts";
import { adamW } from "./nn/optimizers.ts";
import { countParameters, initParameters, unravel } from "./nn/parameters.ts";
import { randomStream } from "./nn/random.ts";
import { trainingSummary } from "./cli/training_summary.ts";
import { loadCheckpoint } from "./training/checkpoint/checkpoint.ts";
import { describeDamage, findCheckpoint, saveCheckpoint } from "./training/checkpoint/folders.ts";
import { initTrainState, type TrainState } from "./training/diffusion_step.ts";
import { parseFlags, resolveConfig } from "./cli/flags.ts";
import { helpText, wantsHelp } from "./cli/help.ts";
import { imageCheckpoint } from "./image/checkpoint.ts";
import {
  checkConsistency,
  classIndex,
  completeSettings,
  networkOf,
  scheduleOf,
} from "./image/config.ts";
import { loadImages } from "./image/data.ts";
import {
  EXTENDABLE,
  IMAGE_FLAGS,
  type ImageConfig,
  type ImageFlags,
  settingsOf,
} from "./image/flags.ts";
import {
  imageLosses,
  imageTrainingBatches,
  imageValidationBatches,
  validatedNetwork,
} from "./image/objective.ts";
import { checkTools, resolveSampling } from "./image/check_sampling.ts";
import { IMAGE_METRICS, trainImages } from "./image/training.ts";
import { compileInPlaceTrainStep } from "./training/in_place_step.ts";
import { LossAwareMemory, MEMORY_VECTORS } from "./image/loss_aware_memory.ts";
import { LossWindow } from "./training/loss_window.ts";
import { MetricsLog } from "./training/metrics.ts";
import { runProgram } from "./cli/program.ts";
import { openReplay, type Replay } from "./cli/replay.ts";
import { BUNDLED, type DataOrigin } from "./cli/run_record.ts";
import { openRunFolder } from "./cli/run_folder.ts";
import { checkSameRun, runDetails } from "./cli/compare_runs.ts";
import { describeSession } from "./cli/session.ts";
import { loadTrainState } from "./training/checkpoint/state_tensors.ts";
import { loadStartWeights } from "./image/start_weights.ts";

/** What `deno task image` does if nothing else is asked for. */
const NANO: ImageConfig = {
  seed: 0,
  // Training
  steps: 900, // about one epoch: garments are clear, and two cores need minutes
  batchSize: 64, // fewer, noisier steps would be as fast; more, smoother ones learn less an hour
  learningRate: 2e-3, // high, because the run is short; clipping and warm-up keep it stable
  lrSchedule: "constant", // so that a run can be prolonged as if it had been longer from the start
  warmupSteps: 100, // Adam's variances are guesses until then
  weightDecay: 0.01, // PyTorch's default for AdamW
  maxGradNorm: 1, // as Ho et al. 2020
  emaDecay: 0.999, // an upper bound: it starts low and grows, see nn/ema.ts
  classDropout: 0.1, // Ho and Salimans 2022: 10 to 20 % is enough for guidance
  logEvery: 20,
  evalEvery: 100,
  checkpointEvery: 300,
  validationSize: 512,
  // Diffusion
  objective: "diffusion",
  flowTimes: "logit_normal", // Esser et al. 2024: the middle is the hardest
  timesteps: 1000, // Ho et al. 2020
  betaSchedule: "squaredcos_cap_v2", // linear destroys small images too early (Nichol, Dhariwal 2021)
  predictionType: "v_prediction", // as good early and late, and stable at few sampling steps
  zeroTerminalSnr: false, // the cosine schedule's last signal is 1e-9 of the variance anyway
  loss: "mse", // the variational bound's
  huberDelta: 1, // errors beyond a deviation of the noise count as outliers
  minSnrGamma: 0, // with v, gamma 5 neglects the noisiest steps: 11 % more loss there, wrong classes
  p2Gamma: 0, // Choi et al. 2022 have 1, for large images
  p2K: 1, // as they
  timestepSampling: "uniform",
  learnedVariance: false, // for better likelihoods; samples of few steps gain nothing
  boundWeight: 0.001, // Nichol and Dhariwal 2021's lambda
  selfConditioning: false, // half as slow again
  // Network
  denoiser: "unet",
  patchSize: 4, // 49 tokens; 2 is better and takes five times as long
  depth: 6,
  width: 128,
  heads: 4,
  channels: [32, 32, 64], // at 28, 14 and 7 pixels; in the same time, [16, 32, 64] has a higher loss
  layersPerBlock: 1,
  attentionLevels: [2], // 49 tokens at 7x7: cheap, and garments are symmetric
  attentionHeadDim: 32,
  normNumGroups: 8,
  // Sampling
  sampler: "ddim",
  sampleSteps: 100, // as the literature; fewer are enough with --eta 0
  timestepSpacing: "trailing", // starts at T, where the training's last noise level is
  sigmaSpacing: "timesteps", // as trained on; karras is for very few steps
  solverOrder: 2, // stable with guidance, where 3 is not (Lu et al. 2022)
  eta: 1, // adds noise, which corrects the mistakes of a short training; 0 shows them
  varianceType: "fixed_large", // used by ddpm only
  flowShift: 1, // used by flow_euler only; above 1 is for large images
  guidance: 1.5, // the asked-for class more often than 1, still varied
  guidanceRescale: 0, // for strong guidance; 0.7 is usual then
  guidanceLow: 0, // no bounds
  guidanceHigh: 0,
  dynamicThreshold: 0, // clipping does for weak guidance
  samples: 80, // eight of each class
};

/** The defaults of each preset. */
export const PRESETS: Record<"smoke" | "nano" | "small" | "paper", ImageConfig> = {
  // Seconds: every part runs, nothing is learned well. What tests use.
  smoke: {
    ...NANO,
    steps: 30,
    batchSize: 16,
    logEvery: 5,
    evalEvery: 10,
    checkpointEvery: 10,
    validationSize: 64,
    channels: [16, 32],
    attentionLevels: [1],
    attentionHeadDim: 16,
    depth: 2,
    width: 32,
    heads: 2,
    timesteps: 100,
    sampleSteps: 10,
    eta: 0,
    samples: 20,
  },
  nano: NANO,
  // Hours on two cores: what a released checkpoint is trained with.
  small: {
    ...NANO,
    steps: 40_000,
    batchSize: 128,
    learningRate: 1e-3,
    warmupSteps: 500,
    emaDecay: 0.9995,
    logEvery: 50,
    evalEvery: 500,
    checkpointEvery: 500,
    validationSize: 2000,
    channels: [32, 64, 128],
    layersPerBlock: 2,
    attentionLevels: [1, 2],
    patchSize: 2,
    width: 192,
    heads: 6,
  },
  // The network of Ho et al. 2020 in proportion to the images; days on two cores.
  paper: {
    ...NANO,
    steps: 200_000,
    batchSize: 128,
    learningRate: 2e-4,
    warmupSteps: 5000,
    emaDecay: 0.9999,
    logEvery: 50,
    evalEvery: 1000,
    checkpointEvery: 1000,
    validationSize: 5000,
    betaSchedule: "linear",
    predictionType: "epsilon",
    minSnrGamma: 0,
    channels: [64, 128, 128],
    layersPerBlock: 2,
    attentionLevels: [1],
    sampler: "ddpm",
    sampleSteps: 1000,
    guidance: 1,
  },
};

/** How checkpoints/fashion-mnist is sampled if nothing else is asked for: as its figures were measured. */
const RELEASED_SAMPLING = {
  sampleSteps: 20, // seconds for a grid
  eta: 0, // FID 1.03, and 1.39 with 1, at 50 steps and 1,024 samples without guidance
  guidance: 1.25, // the asked-for class more often than 1 (91.4 and 89.5 % of 256), FID the same
};

async function main(): Promise<number> {
  if (wantsHelp(Deno.args)) {
    console.log(helpText({
      usage: "deno task image [flags]",
      about: "Trains a diffusion model on FashionMNIST, draws samples and writes a report.",
      flags: IMAGE_FLAGS,
      presets: PRESETS,
    }));
    return EXIT.done;
  }
  const given = parseFlags(Deno.args, IMAGE_FLAGS);
  const { preset = "nano" } = given;
  const only = given.class === undefined ? undefined : classIndex(given.class);
  checkTools(given);
  const repeated = await openReplay(given.config, {
    programs: ["image"],
    flags: IMAGE_FLAGS,
    given,
    defaults: NANO,
  });
  const { device: name = repeated?.device ?? "onnx", threads = repeated?.threads } = given;
  const device = await openDevice(name, threads === undefined ? {} : { threads });
  if (given.sampleOnly || given.study !== undefined) {
    const released = given.checkpoint === undefined;
    await sampleOnly(device, given, {
      preset: { ...PRESETS[preset], ...(released ? RELEASED_SAMPLING : {}) },
      checkpoint: given.checkpoint ?? `${import.meta.dirname}/checkpoints/fashion-mnist`,
    });
    return EXIT.done;
  }
  const defaults = repeated?.settings as unknown as ImageConfig | undefined ?? PRESETS[preset];
  return await trainAndReport(device, given, { defaults, presetName: preset, only, repeated });
}

/** The settings of a training, and what follows from them. */
function resolveRun(preset: ImageConfig, given: ImageFlags) {
  const resolved = completeSettings(resolveConfig(preset, settingsOf(given)), given);
  checkConsistency(resolved, given);
  const network = describeNetwork(networkOf(resolved), 1);
  const schedule = scheduleOf(resolved);
  const { learnedVariance, classDropout } = resolved;
  const hasNullClass = classDropout > 0; // without dropout it is never trained
  const config = resolveSampling(resolved, given, { schedule, hasNullClass, learnedVariance });
  return { config, network, specs: networkSpecs(network.config), schedule };
}

/** Trains, from the last checkpoint if there is one, draws samples and writes the report. */
async function trainAndReport(
  device: Device,
  given: ImageFlags,
  { defaults, presetName, only, repeated }: {
    defaults: ImageConfig;
    presetName: string;
    only: number | undefined;
    repeated: Replay | undefined;
  },
): Promise<number> {
  const { config, network, specs, schedule } = resolveRun(defaults, given);
  const random = randomStream(config.seed);

  // The data, the weights to begin with, and the folder.
  const data = await loadImages(given, repeated?.sampleOnly);
  const evaluation = given.evaluate ? await prepareEvaluation(given, data, Deno.args) : undefined;
  const start = config.startFrom === undefined
    ? undefined
    : await loadStartWeights(config.startFrom, network.config);
  const origins: DataOrigin[] = [{
    name: "fashion-mnist, train",
    origin: data.origin === "sample" ? BUNDLED : data.origin,
    sha256: data.sha256,
    rows: data.train.labels.length + data.validation.labels.length,
  }, ...(start === undefined ? [] : [start.origin])];
  const session = await describeSession(["image", ...Deno.args], device, {
    root: import.meta.dirname ?? ".",
    now: Date.now(),
  });
  repeated?.check(origins, session).forEach((note) => console.log(note));
  using folder = await openRunFolder({
    directory: given.out ?? repeated?.directory ?? `runs/image-${presetName}-${config.seed}`,
    automatic: given.out === undefined,
    program: "image",
    seed: config.seed,
    config: config as unknown as JsonObject,
    absent: defaults as unknown as JsonObject,
    data: origins,
    session,
    ...(given.resume === undefined ? {} : { resume: given.resume }),
    ...(given.overwrite === undefined ? {} : { overwrite: given.overwrite }),
    extendable: EXTENDABLE,
    steps: config.steps,
  });
  folder.notes.forEach((note) => console.log(note));
  const { directory, record: { configHash } } = folder;

  // The model: from the last checkpoint if there is one, or from scratch.
  const { weightDecay, maxGradNorm } = config;
  const adam = { weightDecay, maxGradNorm };
  const optimizer = adamW(adam);
  const found = await findCheckpoint(directory);
  describeDamage(found).forEach((line) => console.error(line));
  const checkpoint = found === undefined ? undefined : await loadCheckpoint(found.directory);
  if (checkpoint !== undefined) checkSameRun(checkpoint, folder.record, EXTENDABLE);
  const initial = checkpoint === undefined
    ? initTrainState(
      start?.parameters ?? initParameters(specs, random.stream("weights")),
      specs,
      optimizer,
    )
    : loadTrainState(checkpoint, specs, optimizer.slots, Object.values(MEMORY_VECTORS));
  const done = checkpoint?.state?.step ?? 0;
  const details = checkpoint?.state?.details;
  console.log(
    `${countParameters(specs).toLocaleString("en")} parameters, ${device.name} device, ` +
      `${device.threads} threads, ${directory}${done > 0 ? `, going on at step ${done}` : ""}`,
  );

  // Training.
  const denoise = trainableNetwork(network);
  const lossFunction = imageLosses(config);
  const trainStep = compileInPlaceTrainStep(device, {
    ...{ denoise, specs, optimizer: adam, lossFunction },
  });
  const validationLoss = compileValidationLoss(device, {
    ...{ denoise: validatedNetwork(network), specs, numTrainTimesteps: config.timesteps },
  });
  const heldOut = imageValidationBatches(data.validation, config, schedule);
  const window = new LossWindow(config.timesteps, details?.["window"] as JsonObject);
  const memory = config.timestepSampling === "loss_aware"
    ? new LossAwareMemory(config.timesteps, checkpoint?.state?.vectors, found?.directory)
    : undefined;
  using metrics = await MetricsLog.open(`${directory}/metrics.csv`, IMAGE_METRICS, {
    resumeStep: checkpoint === undefined ? undefined : done,
  });
  const save = (state: TrainState, step: number) =>
    saveCheckpoint(
      directory,
      imageCheckpoint({
        ...{ network: network.config, schedule, state, step, configHash },
        seed: config.seed,
        sampler: config.sampler,
        samplerOptions: {
          timestepSpacing: config.timestepSpacing,
          varianceType: config.learnedVariance ? "learned_range" : config.varianceType,
          flowShift: config.flowShift,
        },
        details: { window: window.toJson(), run: runDetails(folder.record) },
        ...(memory === undefined ? {} : { vectors: memory.vectors() }),
      }),
    );
  const { state, interrupted, ...measured } = await trainImages({
    ...{ config, device, directory, trainStep, state: initial, done },
    ...{ window, memory, metrics, save },
    batchAt: imageTrainingBatches(data.train, config, { random, schedule, memory }),
    validate: (parameters) => validationLoss(parameters, heldOut),
  });
  if (interrupted) return EXIT.interrupted;
  const summary = trainingSummary({
    config,
    device,
    ...measured,
    unit: "images",
    steps: config.steps - done,
  });
  await trainStep.dispose();
  await validationLoss.dispose();

  const model = { parameters: unravel(state.ema, specs), config: network.config, schedule };
  await drawAndReport(
    device,
    { directory, config, model, only, data, evaluation, summary },
    folder,
  );
  return EXIT.done;
}

if (import.meta.main) await runProgram(main);
