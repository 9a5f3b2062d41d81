/** `--sample-only` and `--study`: what image.ts makes with a checkpoint, without training. */
import { print, printResult, warn } from "../../cli/output.ts";
import type { RunRecord } from "../../cli/run_record.ts";
import { newFolder, recordOfCheckpoint, writeSamplesRecord } from "../../cli/samples_folder.ts";
import { describeSession } from "../../cli/session.ts";
import { writeReport } from "../../report/report.ts";
import type { ReportPicture } from "../../report/sections.ts";
import { weightsHash } from "../../training/checkpoint/weights_identity.ts";
import { samplingProtocol } from "../report.ts";
import { usageError } from "../../base/errors.ts";
import { resolveConfig } from "../../cli/flags.ts";
import {
  describeNetwork,
  type ImageNetworkConfig,
  isDit,
} from "../../diffusion/networks/image_network.ts";
import { checkUNetConfig } from "../../diffusion/networks/unet_config.ts";
import { isFlowSampler } from "../../diffusion/samplers/registry.ts";
import type { Device } from "../../engine/device.ts";
import { classPair } from "../check_modes.ts";
import { resolveSampling, samplingWarnings } from "../check_sampling.ts";
import { type LoadedImageModel, loadImageModel } from "../checkpoint.ts";
import { openCheckpoint } from "../open_checkpoint.ts";
import type { LabelledImages } from "../../datasets/batches.ts";
import type { ImageKind } from "../../datasets/image_set.ts";
import { hasClasses, nullClassOf } from "../class_labels.ts";
import { classesOf, FASHION, loadImages } from "../data.ts";
import {
  checkIsFashion,
  type CheckpointTask,
  evaluateCheckpoint,
  studyCheckpoint,
} from "../evaluation/run.ts";
import { type ImageConfig, type ImageFlags, SAMPLING_SETTINGS, settingsOf } from "../flags.ts";
import { PRESETS, RELEASED_SAMPLING } from "../presets.ts";
import { sampleGrid } from "./grid.ts";
import { drawInpainting, readMask } from "./inpainting.ts";
import { drawInterpolation } from "./interpolation.ts";
import { picturesIn } from "./pictures.ts";
import { drawTrajectory } from "./trajectory.ts";

const ROOT = decodeURIComponent(new URL("../../", import.meta.url).pathname);
const RELEASED = `${ROOT}checkpoints/fashion-mnist`;

/**
 * What images a model makes: as its run recorded. Without a record, models of 28x28 grey images in ten classes,
 * or without classes, are of FashionMNIST, and other classes have numbers for names.
 */
function kindOf(
  directory: string,
  config: ImageNetworkConfig,
  run: RunRecord | undefined,
): ImageKind {
  const own = Math.min(config.inChannels, config.outChannels ?? config.inChannels);
  const channels = own % 2 === 0 ? own / 2 : own; // doubled by self-conditioning and learned variances
  if (channels !== 1 && channels !== 3) {
    throw usageError(`${directory} is a model of ${own} channels, not of grey or RGB images.`);
  }
  const { height, width, numClassEmbeds } = describeNetwork(config, channels);
  const shape = { height, width, channels } as const;
  const { classNames } = run?.data[0] ?? {};
  if (classNames !== undefined) return { ...shape, classNames };
  const isFashion = height === 28 && width === 28 && channels === 1 &&
    [null, 10, 11].includes(numClassEmbeds);
  if (isFashion) return FASHION;
  const numbers = Array.from({ length: numClassEmbeds ?? 0 }, (_, i) => `class ${i}`);
  return { ...shape, classNames: numbers };
}

/** The model with the size that --image-size gives, if its configuration has none. */
function withSize(
  directory: string,
  model: LoadedImageModel,
  size: number | undefined,
): LoadedImageModel {
  const { config } = model;
  if (isDit(config) || config.sampleSize !== null) {
    if (size === undefined) return model;
    throw usageError(
      `--image-size ${size}: the model of ${directory} has its own size: leave it out.`,
    );
  }
  if (size === undefined) {
    throw usageError(`${directory} does not tell the size of its images: give --image-size N.`);
  }
  const sized = checkUNetConfig({ ...config, sampleSize: size }, `--image-size ${size}`);
  return { ...model, config: sized };
}

/** Refuses flags that the model does not allow. */
function checkModel(
  directory: string,
  config: ImageNetworkConfig,
  images: ImageKind,
  given: ImageFlags,
): void {
  const { channels } = images;
  if (given.evaluate || given.study !== undefined) checkIsFashion(images, given);
  const refuse = (why: string) => usageError(`${directory} ${why}.`);
  if (given.encode && describeNetwork(config, channels).selfConditioning) {
    throw refuse("uses self-conditioning, which encoding does not support: leave --encode out");
  }
  if (hasClasses(config)) return;
  if (given.class !== undefined) throw refuse("was trained without classes: leave --class out");
  if (given.interpolate !== undefined && !given.encode) {
    throw refuse(
      "was trained without classes: --interpolate needs --encode, which takes test images of the classes",
    );
  }
}

/** The test images for modes that start from some: those of --images, or FashionMNIST's. */
async function testImages(given: ImageFlags, kind: ImageKind): Promise<LabelledImages> {
  const { height, width, channels } = kind;
  const isOwn = given.images !== undefined;
  const data = await loadImages({
    ...given,
    imageSize: isOwn ? height : undefined,
    colors: isOwn ? (channels === 3 ? "rgb" : "grey") : undefined,
  });
  if (data.height === height && data.width === width && data.channels === channels) {
    return data.test;
  }
  throw usageError(
    `the model makes images of ${width}x${height}x${channels}, ${
      given.dataDir ?? "FashionMNIST"
    } has others: name some ` +
      "with --images DIR or --data-dir DIR.",
  );
}

/** The settings without flags: those that a mode needs, of the run, of the checkpoint, and of the preset. */
function defaultsOf(
  model: LoadedImageModel & { readonly images: ImageKind },
  given: ImageFlags,
  run: RunRecord | undefined,
): ImageConfig {
  const { checkpoint, encode, interpolate, study } = given;
  const isFlow = model.sampler !== undefined && isFlowSampler(model.sampler);
  const mode = encode ? "--encode" : study === undefined ? undefined : `--study ${study}`;
  if (isFlow && mode !== undefined) {
    throw usageError(`${mode} uses ddim, but the model was trained with flow matching.`);
  }
  const preset = PRESETS[given.preset ?? "nano"];
  const { samplerOptions: options } = model;
  const own: ImageConfig = {
    ...preset,
    sampler: model.sampler ?? preset.sampler,
    flowShift: options.flowShift,
    timestepSpacing: options.timestepSpacing,
    varianceType: options.varianceType,
    solverOrder: options.solverOrder,
    sigmaSpacing: options.useKarrasSigmas
      ? "karras"
      : options.useExponentialSigmas
      ? "exponential"
      : "timesteps",
    ...checkpoint === undefined ? RELEASED_SAMPLING : {},
    ...run?.program === "image" && given.preset === undefined ? samplingOf(run.config) : {},
  };
  // The table of Song et al. 2021 is without guidance, and encoding cannot invert it.
  const isGuided = nullClassOf(model.config, model.images.classNames.length) !== undefined &&
    mode === undefined;
  return {
    ...own,
    objective: isFlow ? "flow_matching" : "diffusion",
    sampler: encode ? "ddim" : own.sampler,
    sampleSteps: Math.min(own.sampleSteps, model.schedule.numTrainTimesteps),
    guidance: isGuided ? own.guidance : 1,
    eta: interpolate === undefined ? own.eta : 0, // noise would hide the interpolation
  };
}

/** The settings of sampling among those of a run. */
function samplingOf(config: object): Partial<ImageConfig> {
  return Object.fromEntries(
    Object.entries(config).filter(([key]) => SAMPLING_SETTINGS.includes(key)),
  );
}

/**
 * Makes what the flags name from a checkpoint: pictures, an evaluation, a study, or a grid of samples.
 *
 * @param given The flags, checked by checkModes.
 */
export async function sampleOnly(
  device: Device,
  given: ImageFlags,
  args: readonly string[],
): Promise<void> {
  const { checkpoint = RELEASED, study, inpaint } = given;
  const opened = await openCheckpoint(checkpoint, { log: print, warn });
  const { directory } = opened;
  const loaded = withSize(directory, loadImageModel(opened), given.imageSize);
  const run = await recordOfCheckpoint(directory);
  const images = kindOf(directory, loaded.config, run);
  const model = { ...loaded, images };
  checkModel(directory, model.config, images, given);
  // Unknown names are refused before anything is computed.
  classesOf(given, images);
  if (given.interpolate !== undefined) classPair(given.interpolate, images);
  const { schedule } = model;
  const { learnedVariance } = describeNetwork(model.config, images.channels);
  const hasNullClass = nullClassOf(model.config, model.images.classNames.length) !== undefined;
  const defaults = defaultsOf(model, given, run);
  const settings = resolveConfig(defaults, settingsOf(given));
  const config = resolveSampling(settings, given, { schedule, hasNullClass, learnedVariance });
  checkFromStep(config, given);
  const mask = inpaint === undefined ? undefined : await readMask(inpaint, images);
  const needsImages = inpaint !== undefined || given.fromStep !== undefined || given.encode;
  const start = needsImages ? await testImages(given, images) : undefined;
  // The same command continues a study; all other results have a folder of their own.
  const folder = study === undefined
    ? await newFolder(given.out, `runs/image-samples-${config.seed}`)
    : given.out ?? `runs/image-study-${study}-${config.seed}`;

  samplingWarnings(config, { schedule, learnedVariance }).forEach(warn);
  print(`model: ${directory}, ${device.name} device, ${device.threads} threads`);
  print(`sampling: ${samplingProtocol(config)}`);
  const task = { device, model, config, source: directory, folder, given, args };
  if (study !== undefined) return await studyCheckpoint(task);
  const record = await recordOf(task);
  await writeSamplesRecord(folder, record);
  if (given.evaluate) return await evaluateCheckpoint(task);
  const report = await writeReport(folder, {
    title: ["deno task image", ...args].join(" "),
    summary: `Samples of ${directory}.`,
    pictures: await drawPictures(task, mask, start),
    config: record.settings,
    origin: { checkpoint: record.checkpoint, session: record.session },
  });
  printResult({ folder, files: { ...await picturesIn(folder), report } });
}

function checkFromStep({ sampleSteps }: ImageConfig, { fromStep = 0 }: ImageFlags): void {
  if (fromStep < sampleSteps) return;
  throw usageError(
    `--from-step ${fromStep} leaves none of the ${sampleSteps} --sample-steps: give at most ` +
      `${sampleSteps - 1}.`,
  );
}

async function recordOf({ device, model, config, source, args }: CheckpointTask) {
  const session = await describeSession(["image", ...args], device, {
    root: ROOT,
    now: Date.now(),
  });
  return {
    checkpoint: { path: source, sha256: weightsHash(model.parameters) },
    settings: { seed: config.seed, ...samplingOf(config) },
    session,
  };
}

/** Draws the pictures that flags name, or else a grid of samples. */
async function drawPictures(
  { folder, given, ...rest }: CheckpointTask,
  mask: Float32Array | undefined,
  images: LabelledImages | undefined,
): Promise<ReportPicture[]> {
  const { device, model, config } = rest;
  const { interpolate, inpaint, fromStep, trajectory, encode } = given;
  const task = (name: string) => ({ ...rest, path: `${folder}/${name}.png` });
  const classes = classesOf(given, model.images);
  const regenerates = inpaint !== undefined || fromStep !== undefined;
  const pictures: ReportPicture[] = [];
  if (interpolate !== undefined) {
    pictures.push(
      await drawInterpolation(task("interpolation"), {
        classes: classPair(interpolate, model.images),
        images: encode ? images : undefined,
      }),
    );
  }
  if (regenerates) {
    const name = mask === undefined ? "image_to_image" : "inpainting";
    const options = { images: images!, classes, mask, fromStep };
    pictures.push(await drawInpainting(task(name), options));
  }
  if (trajectory) pictures.push(await drawTrajectory(task("trajectory"), classes));
  if (pictures.length > 0) return pictures;
  const { png } = await sampleGrid(device, model, config, {
    path: `${folder}/grid.png`,
    classes,
    singles: given.saveImages ? `${folder}/images` : undefined,
  });
  return [{ caption: samplingProtocol(config), png }];
}
