/** Samples as a labelled grid, and their trajectories as an animation. */
import { FASHION_MNIST_CLASSES } from "../../datasets/fashion_mnist.ts";
import type { Device } from "../../engine/device.ts";
import type { SampledModel } from "../check_sampling.ts";
import { CLASSES, hasClasses } from "../data.ts";
import type { ImageConfig } from "../flags.ts";
import { drawAnimation, TrajectoryRecorder } from "./animation.ts";
import {
  drawImages,
  drawWithProgress,
  labelsOf,
  makeFolderOf,
  namesOf,
  SAMPLE_BATCH,
  writeBytes,
  writePicture,
} from "./pictures.ts";

/**
 * Generates images and writes them as a grid: one row per class, or a square of a single class.
 *
 * @param options `path`: the PNG file. `only`: the class, if not all. `animation`: a GIF file with a sample
 * of each class from noise to image.
 * @returns The bytes of the files.
 */
export async function sampleGrid(
  device: Device,
  model: SampledModel,
  config: ImageConfig,
  { path, only, animation }: {
    readonly path: string;
    readonly only: number | undefined;
    readonly animation?: string | undefined;
  },
): Promise<{ png: Uint8Array; gif: Uint8Array | undefined }> {
  const { samples: count } = config;
  const labels = labelsOf(count, only);
  await makeFolderOf(path);
  const recorder = animation === undefined ? undefined : new TrajectoryRecorder(labels);
  const images = await drawWithProgress(device, model, config, {
    labels,
    batchSize: SAMPLE_BATCH,
    label: "sampling",
    onStep: recorder === undefined ? undefined : (step) => recorder.add(step),
  });

  const classes = hasClasses(model.config);
  const byClass = classes && only === undefined && count % CLASSES === 0;
  const grid = drawImages(images, {
    columns: byClass ? count / CLASSES : Math.ceil(Math.sqrt(count)),
    rowLabels: byClass ? FASHION_MNIST_CLASSES : undefined,
    labels: classes && !byClass ? namesOf(labels) : undefined,
  });
  let gif: Uint8Array<ArrayBuffer> | undefined;
  if (animation !== undefined && recorder !== undefined) {
    const shown = recorder.chosen.map((sample) => labels[sample]!);
    gif = drawAnimation(recorder.frames, classes ? shown : undefined);
    await writeBytes(animation, gif);
  }
  return { png: await writePicture(path, grid), gif };
}
