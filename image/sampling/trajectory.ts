/** `--trajectory`: the intermediate steps of sampling. */
import { toPixels } from "../../datasets/pixels.ts";
import type { ReportPicture } from "../../report/sections.ts";
import { samplerOf } from "../../diffusion/samplers/registry.ts";
import { noiseOf, randomStream } from "../../nn/random.ts";
import { CLASSES, hasClasses, imageAt, PIXELS } from "../data.ts";
import { chooseFrames, drawAnimation } from "./animation.ts";
import {
  drawImages,
  labelsOf,
  namesOf,
  openPicture,
  type PictureTask,
  writeBytes,
  writePicture,
} from "./pictures.ts";
import { evaluationsOf } from "./samples.ts";

const FRAMES = 11;

/**
 * Generates a sample of each class, or up to ten of one class. A PNG file shows a row for each: noise on the
 * left, the sample on the right, and intermediate steps with their numbers between. A GIF file of the same
 * name shows all steps as an animation.
 *
 * @param asked The classes, if not all.
 */
export async function drawTrajectory(
  task: PictureTask,
  asked: readonly number[] | undefined,
): Promise<ReportPicture> {
  const { config, model } = task;
  const { sampler, sampleSteps, seed } = config;
  const count = Math.min(config.samples, CLASSES);
  const labels = labelsOf(count, asked);
  await using session = await openPicture(task, {
    evaluations: evaluationsOf(sampler, sampleSteps),
    images: count,
    label: "sampling",
  });
  const random = randomStream(seed).stream("samples");
  const noiseAt = noiseOf(random, [...labels.keys()], PIXELS);
  const frames = [toPixels(noiseAt(0))]; // each [count, 28, 28]
  const trajectory = samplerOf(sampler)(session.denoiser(labels), noiseAt(0), model.schedule, {
    ...session.options.samplerOptions,
    noise: (_length, step) => noiseAt(step + 1),
  });
  for await (const { sample } of trajectory) frames.push(toPixels(sample));

  const classes = hasClasses(model.config) ? labels : undefined;
  await writeBytes(task.path.replace(/\.png$/, ".gif"), drawAnimation(frames, classes));
  const chosen = chooseFrames(frames.length, FRAMES);
  const data = new Uint8Array(count * chosen.length * PIXELS);
  chosen.forEach((frame, column) => {
    for (let row = 0; row < count; row++) {
      data.set(imageAt(frames[frame]!, row), (row * chosen.length + column) * PIXELS);
    }
  });
  const grid = drawImages(data, {
    columns: chosen.length,
    columnLabels: chosen.map(String),
    rowLabels: classes && namesOf(classes),
  });
  return {
    caption: "From noise to sample; the numbers are steps",
    png: await writePicture(task.path, grid),
  };
}
