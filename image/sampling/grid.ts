/** Samples as a labelled grid, and their trajectories as an animation. */
import { Progress } from "../../cli/progress.ts";
import { FASHION_MNIST_CLASSES } from "../../datasets/fashion_mnist.ts";
import { describeNetwork } from "../../diffusion/networks/image_network.ts";
import type { Device } from "../../engine/device.ts";
import { randomStream } from "../../nn/random.ts";
import { type SampledModel, samplingOptionsOf } from "../check_sampling.ts";
import { CLASSES } from "../data.ts";
import type { ImageConfig } from "../flags.ts";
import { drawAnimation, TrajectoryRecorder } from "./animation.ts";
import {
  drawImages,
  labelsOf,
  makeFolderOf,
  namesOf,
  SAMPLE_BATCH,
  writeBytes,
  writePicture,
} from "./pictures.ts";
import { drawSamples, evaluationsOf } from "./samples.ts";

/** Options of {@linkcode sampleGrid}. */
export interface GridTask {
  /** The PNG file to write. */
  readonly path: string;
  /** The class to sample, if not all. */
  readonly only: number | undefined;
  /** A GIF file to write: a sample of each class from noise to image. @default none */
  readonly animation?: string | undefined;
}

/**
 * Generates images and writes them as a grid: one row per class, or a square of a single class.
 *
 * @returns The bytes of the PNG file, and of the GIF file if there is one.
 */
export async function sampleGrid(
  device: Device,
  model: SampledModel,
  config: ImageConfig,
  { path, only, animation }: GridTask,
): Promise<{ png: Uint8Array; gif: Uint8Array | undefined }> {
  const { samples: count, sampler, sampleSteps } = config;
  const labels = labelsOf(count, only);
  await makeFolderOf(path);
  const evaluations = evaluationsOf(sampler, sampleSteps);
  await using progress = new Progress({
    total: Math.ceil(count / SAMPLE_BATCH) * evaluations,
    itemsPerStep: Math.min(count, SAMPLE_BATCH) / evaluations,
    label: "sampling",
  });
  const recorder = animation === undefined ? undefined : new TrajectoryRecorder(labels);
  const images = await drawSamples(device, samplingOptionsOf(model, config), {
    labels,
    random: randomStream(config.seed).stream("samples"),
    batchSize: SAMPLE_BATCH,
    onProgress: (done) => progress.update(done),
    onStep: recorder === undefined ? undefined : (step) => recorder.add(step),
  });

  const hasClasses = describeNetwork(model.config, 1).numClassEmbeds !== null;
  const byClass = hasClasses && only === undefined && count % CLASSES === 0;
  const grid = drawImages(images, {
    columns: byClass ? count / CLASSES : Math.ceil(Math.sqrt(count)),
    rowLabels: byClass ? FASHION_MNIST_CLASSES : undefined,
    labels: hasClasses && !byClass ? namesOf(labels) : undefined,
  });
  let gif: Uint8Array<ArrayBuffer> | undefined;
  if (animation !== undefined && recorder !== undefined) {
    const classes = recorder.chosen.map((sample) => labels[sample]!);
    gif = drawAnimation(recorder.frames, hasClasses ? classes : undefined);
    await writeBytes(animation, gif);
  }
  return { png: await writePicture(path, grid), gif };
}
