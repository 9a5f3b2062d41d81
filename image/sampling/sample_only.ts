/** `--sample-only` and `--study`: what image.ts makes with a checkpoint, without training. */
import { print, warn } from "../../cli/output.ts";
import { usageError, UserError } from "../../base/errors.ts";
import { resolveConfig } from "../../cli/flags.ts";
import {
  describeNetwork,
  type ImageNetwork,
  type ImageNetworkConfig,
} from "../../diffusion/networks/image_network.ts";
import { isFlowSampler } from "../../diffusion/samplers/registry.ts";
import type { Device } from "../../engine/device.ts";
import { loadCheckpoint } from "../../training/checkpoint/checkpoint.ts";
import { resolveCheckpoint } from "../../training/checkpoint/folders.ts";
import { classPair } from "../check_modes.ts";
import { resolveSampling, samplingWarnings } from "../check_sampling.ts";
import { type LoadedImageModel, loadImageModel } from "../checkpoint.ts";
import { CLASSES, classIndex, loadImages, nullClassOf, SIDE } from "../data.ts";
import { type CheckpointTask, evaluateCheckpoint, studyCheckpoint } from "../evaluation/run.ts";
import { type ImageConfig, type ImageFlags, settingsOf } from "../flags.ts";
import { PRESETS, RELEASED_SAMPLING } from "../presets.ts";
import { sampleGrid } from "./grid.ts";
import { drawInpainting, readMask } from "./inpainting.ts";
import { drawInterpolation } from "./interpolation.ts";
import { drawTrajectory } from "./trajectory.ts";

const RELEASED = decodeURIComponent(
  new URL("../../checkpoints/fashion-mnist", import.meta.url).pathname,
);

/** Refuses models of other images, and flags that the model does not allow. */
function checkModel(directory: string, config: ImageNetworkConfig, given: ImageFlags): void {
  const refuse = (why: string) => usageError(`${directory} ${why}.`);
  const refuseImages = (found: string) =>
    refuse(`is not a model of ${SIDE}x${SIDE} grey images (${found})`);
  let network: ImageNetwork;
  try {
    network = describeNetwork(config, 1);
  } catch (error) {
    throw error instanceof UserError ? refuseImages(error.message) : error;
  }
  const { height, width, numClassEmbeds, selfConditioning } = network;
  if (height !== SIDE || width !== SIDE) throw refuseImages(`${width}x${height} grey images`);
  if (given.encode && selfConditioning) {
    throw refuse("uses self-conditioning, which encoding does not support: leave --encode out");
  }
  if (numClassEmbeds !== null && numClassEmbeds < CLASSES) {
    throw refuse(`has ${numClassEmbeds} classes, but FashionMNIST has ${CLASSES}`);
  }
  if (numClassEmbeds !== null) return;
  if (given.class !== undefined) throw refuse("was trained without classes: leave --class out");
  if (given.interpolate !== undefined && !given.encode) {
    throw refuse(
      "was trained without classes: --interpolate needs --encode, which takes test images of the classes",
    );
  }
}

/** The settings without flags: those that a mode needs, of the checkpoint, and of the preset. */
function defaultsOf(model: LoadedImageModel, given: ImageFlags): ImageConfig {
  const { checkpoint, encode, interpolate, study } = given;
  const isFlow = model.sampler !== undefined && isFlowSampler(model.sampler);
  const mode = encode ? "--encode" : study === undefined ? undefined : `--study ${study}`;
  if (isFlow && mode !== undefined) {
    throw usageError(`${mode} uses ddim, but the model was trained with flow matching.`);
  }
  const preset = PRESETS[given.preset ?? "nano"];
  const { guidance, eta, sampleSteps } = checkpoint === undefined ? RELEASED_SAMPLING : preset;
  // The table of Song et al. 2021 is without guidance, and encoding cannot invert it.
  const isGuided = nullClassOf(model.config) !== undefined && mode === undefined;
  return {
    ...preset,
    objective: isFlow ? "flow_matching" : "diffusion",
    sampler: encode ? "ddim" : model.sampler ?? preset.sampler,
    flowShift: model.samplerOptions.flowShift,
    timestepSpacing: model.samplerOptions.timestepSpacing,
    varianceType: model.samplerOptions.varianceType,
    sampleSteps: Math.min(sampleSteps, model.schedule.numTrainTimesteps),
    guidance: isGuided ? guidance : 1,
    eta: interpolate === undefined ? eta : 0, // noise would hide the interpolation
  };
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
  const { checkpoint = RELEASED } = given;
  const directory = await resolveCheckpoint(checkpoint, warn);
  const model = loadImageModel(await loadCheckpoint(directory, { state: false }));
  checkModel(directory, model.config, given);
  const { schedule } = model;
  const { learnedVariance } = describeNetwork(model.config, 1);
  const hasNullClass = nullClassOf(model.config) !== undefined;
  const settings = resolveConfig(defaultsOf(model, given), settingsOf(given));
  const config = resolveSampling(settings, given, { schedule, hasNullClass, learnedVariance });
  samplingWarnings(config, { schedule, learnedVariance }).forEach(warn);
  print(`model: ${directory}, ${device.name} device, ${device.threads} threads`);
  const name = given.study === undefined ? "samples" : `study-${given.study}`;
  const folder = given.out ?? `runs/image-${name}-${config.seed}`;
  const task = { device, model, config, source: directory, folder, given, args };
  if (await drawPictures(task)) return;
  if (given.study !== undefined) await studyCheckpoint(task);
  else if (given.evaluate) await evaluateCheckpoint(task);
  else {
    const only = given.class === undefined ? undefined : classIndex(given.class);
    await sampleGrid(device, model, config, { path: `${folder}/grid.png`, only });
  }
}

/** Draws the pictures that flags name, other than a grid of samples. @returns Whether there are any. */
async function drawPictures({ folder, given, ...rest }: CheckpointTask): Promise<boolean> {
  const { interpolate, inpaint, fromStep, trajectory, encode } = given;
  const task = (name: string) => ({ ...rest, path: `${folder}/${name}.png` });
  const only = given.class === undefined ? undefined : classIndex(given.class);
  const regenerates = inpaint !== undefined || fromStep !== undefined;
  const mask = inpaint === undefined ? undefined : await readMask(inpaint);
  const images = regenerates || encode ? (await loadImages(given)).test : undefined;
  if (interpolate !== undefined) {
    await drawInterpolation(task("interpolation"), {
      classes: classPair(interpolate),
      images: encode ? images : undefined,
    });
  }
  if (regenerates) {
    await drawInpainting(task(mask === undefined ? "image_to_image" : "inpainting"), {
      images: images!,
      only,
      mask,
      fromStep,
    });
  }
  if (trajectory) await drawTrajectory(task("trajectory"), only);
  return interpolate !== undefined || regenerates || trajectory === true;
}
