/** `--sample-only`: what image.ts draws from a checkpoint. */
import {
  describeNetwork,
  type ImageNetworkConfig,
} from "../../diffusion/networks/image_network.ts";
import { isFlowSampler } from "../../diffusion/samplers/registry.ts";
import type { Device } from "../../engine/device.ts";
import { usageError, UserError } from "../../base/errors.ts";
import { loadCheckpoint } from "../../training/checkpoint/checkpoint.ts";
import { resolveCheckpoint } from "../../training/checkpoint/folders.ts";
import { resolveConfig } from "../../cli/flags.ts";
import { CLASSES, classIndex, nullClassOf, SIDE } from "../config.ts";
import { loadImages } from "../data.ts";
import { type ImageConfig, type ImageFlags, settingsOf } from "../flags.ts";
import { classPair, resolveSampling } from "../check_sampling.ts";
import { type LoadedImageModel, loadImageModel } from "../checkpoint.ts";
import { evaluateCheckpoint } from "../evaluation/tool.ts";
import { drawInpainting, readMask } from "./inpainting.ts";
import { drawInterpolation } from "./interpolation.ts";
import { sampleGrid } from "./grid.ts";
import { studyCheckpoint } from "../evaluation/study_tool.ts";
import { drawTrajectory } from "./trajectory.ts";

/** What images a network draws, in words; undefined for those of something else. */
function imagesOf(config: ImageNetworkConfig): string | undefined {
  try {
    const { height, width } = describeNetwork(config, 1);
    return height === SIDE && width === SIDE ? undefined : `${width}x${height} grey images`;
  } catch (error) {
    if (error instanceof UserError) return error.message;
    throw error;
  }
}

/** Refuses models of something else, and classes of models that know none. */
function checkModel(directory: string, config: ImageNetworkConfig, given: ImageFlags): void {
  const others = imagesOf(config);
  if (others !== undefined) {
    throw usageError(`${directory} is no model of ${SIDE}x${SIDE} grey images (${others}).`);
  }
  const { numClassEmbeds, selfConditioning } = describeNetwork(config, 1);
  if (given.encode && selfConditioning) {
    throw usageError(
      `${directory} is shown its last estimate of the image, which there is none of on the way to ` +
        "noise: leave --encode out.",
    );
  }
  if (numClassEmbeds !== null && numClassEmbeds < CLASSES) {
    throw usageError(
      `${directory} knows ${numClassEmbeds} classes, not FashionMNIST's ${CLASSES}.`,
    );
  }
  if (numClassEmbeds !== null) return;
  if (given.class !== undefined) {
    throw usageError(`${directory} was trained without classes: leave --class out.`);
  }
  if (given.interpolate !== undefined && !given.encode) {
    throw usageError(
      `${directory} was trained without classes: --interpolate needs --encode, which takes test ` +
        "images of them.",
    );
  }
}

/** What the checkpoint says about sampling goes before the preset, what the tool needs before both. */
function defaultsOf(model: LoadedImageModel, preset: ImageConfig, given: ImageFlags): ImageConfig {
  const isFlow = model.sampler !== undefined && isFlowSampler(model.sampler);
  const diffusions = given.encode ? "--encode" : given.study ? `--study ${given.study}` : undefined;
  if (isFlow && diffusions !== undefined) {
    throw usageError(`${diffusions} is ddim's, and the model is a flow: leave it out.`);
  }
  const guided = nullClassOf(model.config) !== undefined && !given.encode &&
    given.study === undefined; // the paper's table is without
  return {
    ...preset,
    objective: isFlow ? "flow_matching" : "diffusion",
    sampler: given.encode ? "ddim" : model.sampler ?? preset.sampler,
    flowShift: model.samplerOptions.flowShift,
    timestepSpacing: model.samplerOptions.timestepSpacing,
    varianceType: model.samplerOptions.varianceType,
    sampleSteps: Math.min(preset.sampleSteps, model.schedule.numTrainTimesteps),
    guidance: guided ? preset.guidance : 1,
    ...(given.interpolate === undefined ? {} : { eta: 0 }), // noise on the way would hide the arc
  };
}

/**
 * Draws what the flags ask for: the tools' pictures, or samples if there is none.
 *
 * @param given The flags, checked by checkTools.
 * @param preset The settings that neither they nor the checkpoint say.
 * @param checkpoint The folder of a checkpoint or of a run.
 * @throws {UserError} If the checkpoint or the flags are unsound.
 */
export async function sampleOnly(
  device: Device,
  given: ImageFlags,
  { preset, checkpoint, args }: {
    preset: ImageConfig;
    checkpoint: string;
    args: readonly string[];
  },
): Promise<void> {
  const directory = await resolveCheckpoint(checkpoint, (line) => console.error(line));
  const model = loadImageModel(await loadCheckpoint(directory, { state: false }));
  checkModel(directory, model.config, given);
  const resolved = resolveConfig(defaultsOf(model, preset, given), settingsOf(given));
  const config = resolveSampling(resolved, given, {
    schedule: model.schedule,
    hasNullClass: nullClassOf(model.config) !== undefined,
    learnedVariance: describeNetwork(model.config, 1).learnedVariance,
  });
  console.log(`model: ${directory}, ${device.name} device, ${device.threads} threads`);
  const name = given.study === undefined ? "samples" : `study-${given.study}`;
  const folder = given.out ?? `runs/image-${name}-${config.seed}`;
  const only = given.class === undefined ? undefined : classIndex(given.class);
  const task = (name: string) => ({ device, model, config, path: `${folder}/${name}.png` });

  const { interpolate, inpaint, fromStep, trajectory } = given;
  const redraws = inpaint !== undefined || fromStep !== undefined;
  const mask = inpaint === undefined ? undefined : await readMask(inpaint);
  const images = redraws || given.encode ? (await loadImages(given)).test : undefined;
  if (interpolate !== undefined) {
    const classes = classPair(interpolate);
    await drawInterpolation(task("interpolation"), {
      classes,
      images: given.encode ? images : undefined,
    });
  }
  if (redraws) {
    const name = mask === undefined ? "image_to_image" : "inpainting";
    await drawInpainting(task(name), { images: images!, only, mask, fromStep });
  }
  if (trajectory) await drawTrajectory(task("trajectory"), only);
  if (interpolate !== undefined || redraws || trajectory) return;
  if (given.study !== undefined) {
    await studyCheckpoint({ device, model, config, source: directory, folder, given, args });
  } else if (given.evaluate) {
    await evaluateCheckpoint({ device, model, config, source: directory, folder, given, args });
  } else await sampleGrid(device, model, config, { path: `${folder}/grid.png`, only });
}
