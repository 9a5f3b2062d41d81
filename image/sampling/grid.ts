/** Samples as a labelled grid, and their trajectories as an animation. */
import { writeFileAtomic } from "../../base/files.ts";
import { pixelsOf } from "../../datasets/image_set.ts";
import type { Device } from "../../engine/device.ts";
import { hasClasses } from "../class_labels.ts";
import type { SampledModel } from "../check_sampling.ts";
import type { ImageConfig } from "../flags.ts";
import { drawAnimation, TrajectoryRecorder } from "./animation.ts";
import {
  drawImages,
  drawWithProgress,
  labelsOf,
  makeFolderOf,
  namesOf,
  SAMPLE_BATCH,
  saveImages,
  writePicture,
} from "./pictures.ts";

/**
 * Generates images and writes them as a grid: one row per class, or a square of a single class.
 *
 * @param options `path`: the PNG file. `classes`: those to generate, if not all. `animation`: a GIF file with
 * a sample of each class from noise to image. `singles`: a folder for the images as single files.
 * @returns The bytes of the files.
 */
export async function sampleGrid(
  device: Device,
  model: SampledModel,
  config: ImageConfig,
  { path, classes: asked, animation, singles }: {
    readonly path: string;
    readonly classes?: readonly number[] | undefined;
    readonly animation?: string | undefined;
    readonly singles?: string | undefined;
  },
): Promise<{ png: Uint8Array; gif: Uint8Array | undefined }> {
  const { samples: count } = config;
  const { images: kind } = model;
  const labels = labelsOf(count, kind, asked);
  await makeFolderOf(path);
  const recorder = animation === undefined
    ? undefined
    : new TrajectoryRecorder(labels, pixelsOf(kind));
  const images = await drawWithProgress(device, model, config, {
    labels,
    batchSize: SAMPLE_BATCH,
    label: "sampling",
    onStep: recorder === undefined ? undefined : (step) => recorder.add(step),
  });

  const classes = hasClasses(model.config);
  const shown = asked === undefined ? kind.classNames : namesOf(asked, kind);
  const byClass = classes && shown.length > 1 && count % shown.length === 0;
  const grid = drawImages(images, kind, {
    columns: byClass ? count / shown.length : Math.ceil(Math.sqrt(count)),
    rowLabels: byClass ? shown : undefined,
    labels: classes && !byClass ? namesOf(labels, kind) : undefined,
  });
  if (singles !== undefined) {
    await saveImages(singles, images, { labels: classes ? labels : undefined, kind });
  }
  let gif: Uint8Array<ArrayBuffer> | undefined;
  if (animation !== undefined && recorder !== undefined) {
    const recorded = recorder.chosen.map((sample) => labels[sample]!);
    gif = drawAnimation(recorder.frames, kind, classes ? recorded : undefined);
    await writeFileAtomic(animation, gif);
  }
  return { png: await writePicture(path, grid), gif };
}
