/** Samples as a labelled grid. */
import { FASHION_MNIST_CLASSES } from "../../datasets/fashion_mnist.ts";
import { describeNetwork } from "../../diffusion/networks/image_network.ts";
import type { Device } from "../../engine/device.ts";
import { makeFolder, writeFileAtomic } from "../../base/files.ts";
import { randomStream } from "../../nn/random.ts";
import { drawGrid } from "../../report/grid.ts";
import type { Picture } from "../../report/picture.ts";
import { encodePng } from "../../report/png.ts";
import { CLASSES, SIDE } from "../config.ts";
import type { ImageConfig } from "../flags.ts";
import { Progress } from "../../cli/progress.ts";
import { drawAnimation, TrajectoryRecorder } from "./animation.ts";
import { drawSamples } from "./samples.ts";
import { type SampledModel, samplingOptionsOf } from "./options.ts";
import { evaluationsOf } from "./session.ts";

/** Samples that are drawn together: enough for all cores, few enough for any memory. */
export const SAMPLE_BATCH = 80;

/**
 * The class of each sample: the classes in turn, or the only one.
 *
 * @returns [count]
 */
export function labelsOf(count: number, only: number | undefined): Int32Array {
  return Int32Array.from({ length: count }, (_, i) => only ?? Math.floor(i * CLASSES / count));
}

/** Writes a picture as a PNG file and says where. @returns The file's bytes. */
export async function writePicture(path: string, picture: Picture): Promise<Uint8Array> {
  const png = encodePng(picture);
  await writeBytes(path, png);
  return png;
}

/** Writes a picture's file and says where. */
export async function writeBytes(path: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
  await writeFileAtomic(path, bytes);
  console.log(`samples: ${path}`);
}

/**
 * Draws samples and writes them as a grid: a row a class, or as many as asked for of one class.
 *
 * @param target `path`: the PNG file. `only`: the class to draw, if not all. `animation`: a GIF file that
 * shows a sample of each class on its way from noise, if one is wanted.
 * @returns The PNG file's bytes.
 */
export async function sampleGrid(
  device: Device,
  model: SampledModel,
  config: ImageConfig,
  { path, only, animation }: { path: string; only: number | undefined; animation?: string },
): Promise<Uint8Array> {
  const { samples: count, sampler, sampleSteps } = config;
  const conditional = describeNetwork(model.config, 1).numClassEmbeds !== null;
  const byClass = conditional && only === undefined && count % CLASSES === 0;
  const labels = labelsOf(count, only);
  await makeFolder(path.slice(0, path.lastIndexOf("/"))); // known to fail before the work is done
  const evaluations = evaluationsOf(sampler, sampleSteps);
  await using progress = new Progress({
    total: Math.ceil(count / SAMPLE_BATCH) * evaluations,
    itemsPerStep: Math.min(count, SAMPLE_BATCH) / evaluations,
    label: "sampling",
  });
  const emergence = animation === undefined ? undefined : new TrajectoryRecorder(labels);
  const data = await drawSamples(device, {
    ...samplingOptionsOf(model, config),
    labels,
    ...(emergence === undefined ? {} : { onStep: (step) => emergence.add(step) }),
    random: randomStream(config.seed).stream("samples"),
    batchSize: SAMPLE_BATCH,
    onProgress: (done) => progress.update(done),
  });
  const grid = drawGrid({ width: SIDE, height: SIDE, channels: 1, data }, {
    columns: byClass ? count / CLASSES : Math.ceil(Math.sqrt(count)),
    ...(byClass
      ? { rowLabels: [...FASHION_MNIST_CLASSES] }
      : conditional
      ? { labels: Array.from(labels, (label) => FASHION_MNIST_CLASSES[label]!) }
      : {}),
  });
  if (animation !== undefined && emergence !== undefined) {
    const chosen = conditional ? emergence.chosen.map((number) => labels[number]!) : undefined;
    await writeBytes(animation, drawAnimation(emergence.frames, chosen));
  }
  return await writePicture(path, grid);
}
