/**
 * Trains a diffusion model on FashionMNIST, generates images and writes a report.
 *
 *     deno task image                                    # preset nano: a few minutes on two cores
 *     deno task image --preset smoke                     # seconds, on the bundled sample of the data
 *     deno task image --preset small --seed 1            # hours; Ctrl-C saves, the same command continues
 *     deno task image --resume --steps 6000              # continue a run with more steps
 *     deno task image --config runs/image-nano-0/config.json  # repeat a run in another folder
 *     deno task image --preset small --start-from checkpoints/fashion-mnist  # start from trained weights
 *     deno task image --sample-only                      # sample from the released weights
 *     deno task image --sample-only --checkpoint runs/image-nano-0 --class Sneaker --guidance 3
 *     deno task image --sample-only --inpaint half       # inpaint the right half of test images
 *     deno task image --sample-only --interpolate Sneaker,Bag --encode
 *     deno task image --sample-only --evaluate           # FID and other figures: minutes to an hour
 *     deno task image --study ddim                       # FID for several steps and etas: hours
 *     deno task image --help                             # all flags, with ranges and defaults
 *
 * The folder of a run holds config.json, metrics.csv, checkpoints/ (in diffusers' layout), samples/
 * (grid.png, trajectory.gif) and report.html.
 */
import { EXIT } from "./base/errors.ts";
import { runDetails } from "./cli/compare_runs.ts";
import { parseFlags } from "./cli/flags.ts";
import { helpText, helpTopic, printVersion, wantsHelp, wantsVersion } from "./cli/help.ts";
import { print, setOutput, warn } from "./cli/output.ts";
import { runProgram } from "./cli/program.ts";
import { openReplay, recordToRead } from "./cli/replay.ts";
import type { RunFolder } from "./cli/run_folder.ts";
import { openTraining, resumeRun } from "./cli/training.ts";
import type { ImageSet } from "./datasets/image_set.ts";
import { trainableDenoiser } from "./diffusion/networks/image_network.ts";
import { type Device, openDevice } from "./engine/device.ts";
import { checkModes } from "./image/check_modes.ts";
import { samplingWarnings } from "./image/check_sampling.ts";
import { imageCheckpoint } from "./image/checkpoint.ts";
import { type ImageRun, resolveRun } from "./image/config.ts";
import { checkBatchSize, checkImages, classesOf, loadImages } from "./image/data.ts";
import { prepareEvaluation, runEvaluation } from "./image/evaluation/run.ts";
import { EXTENDABLE, IMAGE_EXAMPLES, IMAGE_FLAGS } from "./image/flags.ts";
import { defaultFolder, openImageFolder } from "./image/folder.ts";
import { LossAwareMemory, MEMORY_VECTORS } from "./image/loss_aware_memory.ts";
import {
  imageLosses,
  imageTrainingBatches,
  imageValidationBatches,
  validatedNetwork,
} from "./image/objective.ts";
import { NANO, PRESETS } from "./image/presets.ts";
import { IMAGE_METRICS, reportRun } from "./image/report.ts";
import { sampleGrid } from "./image/sampling/grid.ts";
import { sampleOnly } from "./image/sampling/sample_only.ts";
import { loadStartWeights } from "./image/start_weights.ts";
import { countParameters, type HostParameters, initParameters, unravel } from "./nn/parameters.ts";
import { randomStream } from "./nn/random.ts";
import { loadTrainState } from "./training/checkpoint/state_tensors.ts";
import { denoiserLoss } from "./training/denoiser_loss.ts";
import { compileTrainStep } from "./training/step.ts";
import { compileValidationLoss, validationColumns } from "./training/validation_loss.ts";
import { MeanWindow } from "./training/windows.ts";

/** Runs the program. @returns Its exit code. */
export async function main(args: readonly string[]): Promise<number> {
  if (wantsHelp(args)) {
    console.log(helpText({
      usage: "deno task image [flags]",
      about: "Trains a diffusion model on FashionMNIST, generates images and writes a report.",
      examples: IMAGE_EXAMPLES,
      flags: IMAGE_FLAGS,
      presets: PRESETS,
      defaultPreset: "nano",
      topic: helpTopic(args),
    }));
    return EXIT.done;
  }
  if (wantsVersion(args)) return printVersion();
  const given = parseFlags(args, IMAGE_FLAGS);
  setOutput(given);
  checkModes(given);
  const replay = await openReplay(await recordToRead(given, defaultFolder(given)), {
    programs: ["image"],
    flags: IMAGE_FLAGS,
    given,
    defaults: NANO,
  });
  const { device: name = replay?.device ?? "onnx", threads = replay?.threads } = given;
  const device = await openDevice(name, { threads });
  if (given.sampleOnly || given.study !== undefined) {
    await sampleOnly(device, given, args);
    return EXIT.done;
  }

  // Data, settings, and the folder of the run.
  checkImages(given, replay);
  const data = await loadImages({ ...replay?.settings, ...given }, replay?.sampleOnly);
  const classes = classesOf(given, data);
  const run = resolveRun(given, replay, data, print);
  const { config, network, schedule } = run;
  samplingWarnings(config, { ...network, schedule }).forEach(warn);
  checkBatchSize(config, data);
  const evaluation = given.evaluate ? await prepareEvaluation(given, data, args) : undefined;
  const start = await loadStartWeights(config.startFrom, network.config);
  using folder = await openImageFolder(run, { args, given, replay, device, data, start });
  const { directory } = folder;

  // Train, sample, evaluate, report.
  const trained = await trainImages(device, run, { data, folder, start: start?.parameters });
  if (trained.interrupted) return EXIT.interrupted;
  const { parameters } = trained;
  const model = { parameters, config: network.config, schedule, images: data };
  const samples = await sampleGrid(device, model, config, {
    path: `${directory}/samples/grid.png`,
    animation: `${directory}/samples/trajectory.gif`,
    classes,
    singles: given.saveImages ? `${directory}/samples/images` : undefined,
  });
  const evaluated = evaluation === undefined
    ? undefined
    : await runEvaluation(device, { ...evaluation, model, config, source: directory }, directory);
  await reportRun(folder, run, { device, data, samples, evaluated });
  return EXIT.done;
}

/** Trains, from the last checkpoint of the run if there is one. */
async function trainImages(
  device: Device,
  { config, network, specs, schedule }: ImageRun,
  { data, folder, start }: {
    data: ImageSet;
    folder: RunFolder;
    start: HostParameters | undefined;
  },
): Promise<{ interrupted: boolean; parameters: HostParameters }> {
  const { directory, record } = folder;
  const { timesteps, weightDecay, maxGradNorm } = config;
  const random = randomStream(config.seed);

  // The model: from the last checkpoint, from given weights, or from scratch.
  const trainStep = compileTrainStep(device, {
    specs,
    optimizer: { weightDecay, maxGradNorm },
    loss: denoiserLoss(trainableDenoiser(network.config, network.channels), imageLosses(config)),
  });
  const checkpoint = await resumeRun(folder, EXTENDABLE);
  const state = checkpoint === undefined
    ? trainStep.start(start ?? initParameters(specs, random.stream("weights")))
    : trainStep.restore(loadTrainState(checkpoint, specs, { others: MEMORY_VECTORS }));

  // Batches, and the loss on held-out images.
  const memory = config.timestepSampling === "loss_aware"
    ? new LossAwareMemory(timesteps, checkpoint)
    : undefined;
  const batchAt = imageTrainingBatches(data, config, { random, schedule, memory });
  const heldOut = imageValidationBatches(data, config, schedule);
  const validationLoss = compileValidationLoss(device, {
    denoise: validatedNetwork(network),
    specs,
    numTrainTimesteps: timesteps,
  });
  const window = new MeanWindow(checkpoint?.state?.details?.["window"]);
  const checkpointOf = (step: number) =>
    imageCheckpoint({
      network: network.config,
      config,
      schedule,
      state,
      step,
      configHash: record.configHash,
      details: { window: window.toJson(), run: runDetails(record) },
      vectors: memory?.vectors(),
    });

  await using training = await openTraining({
    description:
      `${countParameters(specs).toLocaleString("en")} parameters, ${device.name} device, ` +
      `${device.threads} threads`,
    directory,
    device,
    config,
    unit: "images",
    columns: IMAGE_METRICS,
    checkpoint,
  });

  // One step of AdamW at a time, and what is due after it.
  for await (const step of training.steps({ trainStep, batchAt, state })) {
    const { losses, weighted } = step.figures;
    window.addStep(step);
    window.addLosses(losses.data, step.timesteps, timesteps);
    memory?.add({ ...step, weighted: weighted.data });
    if (step.logs) {
      const measured = step.measures ? await validationLoss(state.ema, heldOut) : undefined;
      await training.log(step, window, validationColumns(measured));
    }
    if (step.saves) await training.save(step, checkpointOf(step.step));
  }
  await trainStep.dispose();
  await validationLoss.dispose();
  return { interrupted: training.interrupted, parameters: unravel(state.ema, specs) };
}

if (import.meta.main) await runProgram(() => main(Deno.args));
