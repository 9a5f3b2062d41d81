/** `--trajectory`: the intermediate steps of sampling. */
import { writeFileAtomic } from "../../base/files.ts";
import { toPixels } from "../../datasets/pixels.ts";
import type { ReportPicture } from "../../report/sections.ts";
import { samplerOf } from "../../diffusion/samplers/registry.ts";
import { noiseOf, randomStream } from "../../nn/random.ts";
import { pixelsOf } from "../../datasets/image_set.ts";
import { hasClasses } from "../class_labels.ts";
import { imageAt } from "../data.ts";
import { chooseFrames, drawAnimation } from "./animation.ts";
import {
  drawImages,
  labelsOf,
  namesOf,
  openPicture,
  type PictureTask,
  writePicture,
} from "./pictures.ts";
import { evaluationsOf } from "./samples.ts";

const FRAMES = 11;
/** Samples, one a row. */
const ROWS = 10;

/**
 * Generates up to ten samples, of each class or of the given ones. A PNG file shows a row for each: noise on the
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
  const { images: kind } = model;
  const size = pixelsOf(kind);
  const count = Math.min(config.samples, ROWS);
  const labels = labelsOf(count, kind, asked);
  await using session = await openPicture(task, {
    evaluations: evaluationsOf(sampler, sampleSteps),
    images: count,
    label: "sampling",
  });
  const random = randomStream(seed).stream("samples");
  const noiseAt = noiseOf(random, [...labels.keys()], size);
  const frames = [toPixels(noiseAt(0))]; // each [count, H, W, C]
  const trajectory = samplerOf(sampler)(session.denoiser(labels), noiseAt(0), model.schedule, {
    ...session.options.samplerOptions,
    noise: (_length, step) => noiseAt(step + 1),
  });
  for await (const { sample } of trajectory) frames.push(toPixels(sample));

  const classes = hasClasses(model.config) ? labels : undefined;
  await writeFileAtomic(task.path.replace(/\.png$/, ".gif"), drawAnimation(frames, kind, classes));
  const chosen = chooseFrames(frames.length, FRAMES);
  const data = new Uint8Array(count * chosen.length * size);
  chosen.forEach((frame, column) => {
    for (let row = 0; row < count; row++) {
      data.set(imageAt(frames[frame]!, row, size), (row * chosen.length + column) * size);
    }
  });
  const grid = drawImages(data, kind, {
    columns: chosen.length,
    columnLabels: chosen.map(String),
    rowLabels: classes && namesOf(classes, kind),
  });
  return {
    caption: "From noise to sample; the numbers are steps",
    png: await writePicture(task.path, grid),
  };
}
