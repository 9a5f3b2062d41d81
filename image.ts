/**
 * Trains a diffusion model on FashionMNIST, draws samples with it and writes a report.
 *
 *     deno task image                                    # nano: a few minutes on two cores
 *     deno task image --preset smoke                     # seconds, on the bundled sample
 *     deno task image --preset small --seed 1            # hours; Ctrl-C saves, the same command goes on
 *     deno task image --resume --steps 6000              # more steps for a run that is there
 *     deno task image --preset small --start-from checkpoints/fashion-mnist  # better ones from those
 *     deno task image --sample-only                      # from the weights that come with the project
 *     deno task image --sample-only --checkpoint runs/image-nano-0 --class Sneaker --guidance 3
 *     deno task image --sample-only --inpaint half       # test images, their right half drawn anew
 *     deno task image --sample-only --interpolate Sneaker,Bag --encode
 *     deno task image --help                             # every setting, with ranges and defaults
 *
 * A run's folder holds config.json, metrics.csv, checkpoints/ (diffusers' layout), samples/grid.png and
 * report.html.
 */
import { unetSpecs } from "./diffusion/unet.ts";
import { trainableUNet } from "./diffusion/unet_denoiser.ts";
import { openDevice } from "./engine/device.ts";
import { EXIT } from "./engine/errors.ts";
import type { JsonObject } from "./engine/json.ts";
import { sampleGrid } from "./evaluation/sample_grid.ts";
import { sampleOnly } from "./evaluation/sample_only.ts";
import { compileValidationLoss } from "./evaluation/validation_loss.ts";
import { emaDecayAt } from "./nn/ema.ts";
import { learningRateAt } from "./nn/learning_rate.ts";
import { adamW } from "./nn/optimizers.ts";
import { countParameters, initParameters, unravel } from "./nn/parameters.ts";
import { randomStream } from "./nn/random.ts";
import {
  IMAGE_CHARTS,
  IMAGE_METRICS,
  keyFigures,
  samplingProtocol,
  trainingSummary,
} from "./report/image_report.ts";
import { writeReport } from "./report/report.ts";
import { loadCheckpoint } from "./training/checkpoint.ts";
import { describeDamage, findCheckpoint, saveCheckpoint } from "./training/checkpoint_folders.ts";
import { initTrainState } from "./training/diffusion_step.ts";
import { parseFlags, resolveConfig } from "./training/flags.ts";
import { helpText, wantsHelp } from "./training/help.ts";
import { trainingBatches, validationBatches } from "./training/image_batches.ts";
import {
  checkConsistency,
  CLASSES,
  classIndex,
  lossWeightsOf,
  scheduleOf,
  SIDE,
  unetConfigOf,
} from "./training/image_config.ts";
import { loadImages } from "./training/image_data.ts";
import { EXTENDABLE, IMAGE_FLAGS, type ImageConfig, settingsOf } from "./training/image_flags.ts";
import { checkTools, resolveSampling } from "./training/image_sampling.ts";
import { compileImageStep } from "./training/image_step.ts";
import { listenForInterrupt } from "./training/interrupt.ts";
import { train } from "./training/loop.ts";
import { LossWindow } from "./training/loss_window.ts";
import { MetricsLog, readMetrics } from "./training/metrics.ts";
import { runProgram } from "./training/program.ts";
import { Progress } from "./training/progress.ts";
import { openRunFolder } from "./training/run_folder.ts";
import { describeSession } from "./training/session.ts";
import { loadStartWeights } from "./training/start_weights.ts";
import { loadTrainState, unetCheckpoint } from "./training/unet_checkpoint.ts";

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
  timesteps: 1000, // Ho et al. 2020
  betaSchedule: "squaredcos_cap_v2", // linear destroys small images too early (Nichol, Dhariwal 2021)
  predictionType: "v_prediction", // as good early and late, and stable at few sampling steps
  zeroTerminalSnr: false, // the cosine schedule's last signal is 1e-9 of the variance anyway
  loss: "mse", // the variational bound's
  huberDelta: 1, // errors beyond a deviation of the noise count as outliers
  minSnrGamma: 0, // with v, gamma 5 neglects the noisiest steps: 11 % more loss there, wrong classes
  p2Gamma: 0, // Choi et al. 2022 have 1, for large images
  p2K: 1, // as they
  // Network
  channels: [32, 32, 64], // at 28, 14 and 7 pixels; [16, 32, 64] is faster and worse in the same time
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
  const device = await openDevice(given.device ?? "onnx", {
    ...(given.threads === undefined ? {} : { threads: given.threads }),
  });
  if (given.sampleOnly) {
    const { checkpoint = `${import.meta.dirname}/checkpoints/fashion-mnist` } = given;
    await sampleOnly(device, given, { preset: PRESETS[preset], checkpoint });
    return EXIT.done;
  }

  // The configuration, and what follows from it.
  const resolved = resolveConfig(PRESETS[preset], settingsOf(given));
  checkConsistency(resolved, given);
  const unetConfig = unetConfigOf(resolved);
  const specs = unetSpecs(unetConfig);
  const schedule = scheduleOf(resolved);
  const hasNullClass = resolved.classDropout > 0; // without dropout it is never trained
  const config = resolveSampling(resolved, given, { schedule, hasNullClass });
  const random = randomStream(config.seed);

  // The data, the weights to begin with, and the folder.
  const data = await loadImages(given);
  const start = config.startFrom === undefined
    ? undefined
    : await loadStartWeights(config.startFrom, unetConfig);
  using folder = await openRunFolder({
    directory: given.out ?? `runs/image-${preset}-${config.seed}`,
    automatic: given.out === undefined,
    program: "image",
    seed: config.seed,
    config: config as unknown as JsonObject,
    data: [{
      name: "fashion-mnist, train",
      origin: data.origin === "sample" ? "the bundled sample" : data.origin,
      sha256: data.sha256,
      rows: data.train.labels.length + data.validation.labels.length,
    }, ...(start === undefined ? [] : [start.origin])],
    session: await describeSession(["image", ...Deno.args], device, {
      root: import.meta.dirname ?? ".",
      now: Date.now(),
    }),
    ...(given.resume === undefined ? {} : { resume: given.resume }),
    ...(given.overwrite === undefined ? {} : { overwrite: given.overwrite }),
    extendable: EXTENDABLE,
    steps: config.steps,
  });
  folder.notes.forEach((note) => console.log(note));
  const { directory, record: { configHash } } = folder;

  // The model: from the last checkpoint if there is one, or from scratch.
  const { weightDecay, maxGradNorm } = config;
  const optimizer = adamW({ weightDecay, maxGradNorm });
  const found = await findCheckpoint(directory);
  describeDamage(found).forEach((line) => console.error(line));
  const checkpoint = found === undefined ? undefined : await loadCheckpoint(found.directory);
  let state = checkpoint === undefined
    ? initTrainState(
      start?.parameters ?? initParameters(specs, random.stream("weights")),
      specs,
      optimizer,
    )
    : loadTrainState(checkpoint, specs, optimizer.slots);
  const done = checkpoint?.state?.step ?? 0;
  console.log(
    `${countParameters(specs).toLocaleString("en")} parameters, ${device.name} device, ` +
      `${device.threads} threads, ${directory}${done > 0 ? `, going on at step ${done}` : ""}`,
  );

  // Training.
  const denoise = trainableUNet(unetConfig);
  const loss = { lossType: config.loss, huberDelta: config.huberDelta };
  const trainStep = compileImageStep(device, { denoise, specs, optimizer, loss });
  const numTrainTimesteps = config.timesteps;
  const validationLoss = compileValidationLoss(device, { denoise, specs, numTrainTimesteps });
  const batchOptions = { schedule, nullClass: CLASSES, size: [SIDE, SIDE] } as const;
  const batchAt = trainingBatches(data.train, random, {
    ...batchOptions,
    batchSize: config.batchSize,
    classDropout: config.classDropout,
    weights: lossWeightsOf(config, schedule),
  });
  const heldOut = validationBatches(data.validation, randomStream(0).stream("validation"), {
    ...batchOptions,
    count: config.validationSize,
  });
  const metricsPath = `${directory}/metrics.csv`;
  using metrics = await MetricsLog.open(metricsPath, IMAGE_METRICS, {
    resumeStep: checkpoint === undefined ? undefined : done,
  });
  const window = new LossWindow(
    numTrainTimesteps,
    checkpoint?.state?.details?.["window"] as JsonObject,
  );
  const save = (step: number) =>
    saveCheckpoint(
      directory,
      unetCheckpoint({
        ...{ unetConfig, schedule, state, step, configHash },
        seed: config.seed,
        sampler: config.sampler,
        samplerOptions: {
          timestepSpacing: config.timestepSpacing,
          varianceType: config.varianceType,
        },
        details: { window: window.toJson() },
      }),
    );
  const started = performance.now();
  const computed = device.milliseconds;
  let peakMemory = 0;
  {
    using interrupt = listenForInterrupt();
    await using progress = new Progress({
      total: config.steps,
      start: done,
      itemsPerStep: config.batchSize,
    });
    const steps = train({
      ...{ trainStep, state, done, batchAt },
      total: config.steps,
      settingsAt: (step) => ({
        learningRate: learningRateAt(step, {
          learningRate: config.learningRate,
          schedule: config.lrSchedule,
          warmupSteps: config.warmupSteps,
          totalSteps: config.steps,
        }),
        emaDecay: emaDecayAt(step + 1, { maxDecay: config.emaDecay }),
      }),
    });
    for await (const trained of steps) {
      const { step } = trained;
      state = trained.state;
      window.add(trained);
      progress.update(step, trained.loss);
      const last = step === config.steps;
      if (step % config.logEvery === 0 || last) {
        const validation = step % config.evalEvery === 0 || last
          ? await validationLoss(state.ema, heldOut)
          : undefined;
        await metrics.append({
          step,
          // The last row may come early; then the window stays open for a run that is prolonged.
          ...(step % config.logEvery === 0 ? window.take() : window.means()),
          valLoss: validation?.loss,
          ...Object.fromEntries(
            validation?.quartiles.map((loss, i) => [`valLossQ${i}`, loss] as const) ?? [],
          ),
          learningRate: trained.learningRate,
          imagesPerSecond: progress.itemsPerSecond || undefined, // not known after a first step
        });
        peakMemory = Math.max(peakMemory, Deno.memoryUsage().rss);
      }
      if (step % config.checkpointEvery === 0 || last || interrupt.signal !== undefined) {
        await metrics.sync();
        const saved = await save(step);
        if (interrupt.signal !== undefined) {
          await progress.stop();
          console.error(`interrupted: saved ${saved}; the same command goes on from there`);
          return EXIT.interrupted;
        }
      }
    }
  }
  const milliseconds = performance.now() - started;
  const summary = trainingSummary({
    ...{ config, device, peakMemory, milliseconds, steps: config.steps - done },
    onDevice: device.milliseconds - computed,
  });
  await trainStep.dispose();
  await validationLoss.dispose();

  // Samples, and the report.
  const parameters = unravel(state.ema, specs);
  const path = `${directory}/samples/grid.png`;
  const png = await sampleGrid(device, { parameters, config: unetConfig, schedule }, config, {
    path,
    only,
  });
  const rows = await readMetrics(metricsPath);
  const figures = keyFigures(rows, config);
  const report = await writeReport(directory, {
    title: directory.slice(directory.lastIndexOf("/") + 1),
    summary,
    warnings: data.origin === "sample" ? [data.description] : [],
    figures,
    pictures: [{ caption: samplingProtocol(config), png }],
    metrics: rows,
    charts: IMAGE_CHARTS,
    config: config as unknown as JsonObject,
    origin: folder.record as unknown as JsonObject,
  });
  console.log(summary);
  figures.forEach(({ name, value, protocol }) => console.log(`${name}: ${value} (${protocol})`));
  console.log(`report: ${report}`);
  return EXIT.done;
}

if (import.meta.main) await runProgram(main);
