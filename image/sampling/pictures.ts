/** What the pictures of image.ts share: samplers with a progress line, test images, grids and files. */
import { print } from "../../cli/output.ts";
import { usageError } from "../../base/errors.ts";
import { csv } from "../../base/csv.ts";
import { makeFolder, writeFileAtomic } from "../../base/files.ts";
import { Progress } from "../../cli/progress.ts";
import { gatherImages, type LabelledImages } from "../../datasets/batches.ts";
import { FASHION_MNIST_CLASSES } from "../../datasets/fashion_mnist.ts";
import type { Device } from "../../engine/device.ts";
import { type RandomStream, randomStream } from "../../nn/random.ts";
import { drawGrid, type GridOptions } from "../../report/grid.ts";
import type { Picture } from "../../report/picture.ts";
import { encodePng } from "../../report/png.ts";
import { type SampledModel, samplingOptionsOf } from "../check_sampling.ts";
import { imageAt, PIXELS, SIDE } from "../data.ts";
import type { ImageConfig } from "../flags.ts";
import {
  drawSamples,
  evaluationsOf,
  openSampling,
  type SampleRequest,
  type SamplingOptions,
  type SamplingSession,
} from "./samples.ts";

/** Samples per batch: enough to use all cores, few enough for any memory. */
export const SAMPLE_BATCH = 80;

const ALL_CLASSES = [...FASHION_MNIST_CLASSES.keys()];

export interface PictureTask {
  readonly device: Device;
  readonly model: SampledModel;
  readonly config: ImageConfig;
  readonly path: string;
}

/**
 * Makes the folder of a picture, compiles the model and starts a progress line.
 *
 * @param evaluations The number of calls of the session's denoisers.
 */
export async function openPicture(
  { device, model, config, path }: PictureTask,
  { evaluations, images, label }: { evaluations: number; images: number; label: string },
): Promise<SamplingSession & { readonly options: SamplingOptions }> {
  await makeFolderOf(path);
  const options = samplingOptionsOf(model, config);
  const progress = new Progress({ total: evaluations, itemsPerStep: images / evaluations, label });
  let done = 0;
  const session = openSampling(device, options, () => {
    progress.update(++done);
    if (done >= evaluations) void progress.stop(); // its line ends before the path is printed
  });
  return {
    options,
    denoiser: (labels) => session.denoiser(labels),
    async [Symbol.asyncDispose]() {
      await progress.stop();
      await session[Symbol.asyncDispose]();
    },
  };
}

/** Generates samples with a progress line: pixels [N, 28, 28]. */
export async function drawWithProgress(
  device: Device,
  model: SampledModel,
  config: ImageConfig,
  { label, batchSize, ...request }: Omit<SampleRequest, "random" | "onProgress"> & {
    readonly label: string;
    readonly batchSize: number;
  },
): Promise<Uint8Array> {
  const count = request.labels.length;
  const evaluations = evaluationsOf(config.sampler, config.sampleSteps);
  await using progress = new Progress({
    total: Math.ceil(count / batchSize) * evaluations,
    itemsPerStep: Math.min(count, batchSize) / evaluations,
    label,
  });
  return await drawSamples(device, samplingOptionsOf(model, config), {
    ...request,
    batchSize,
    random: randomStream(config.seed).stream("samples"),
    onProgress: (done) => progress.update(done),
  });
}

/** Makes the folder of a file, before the work that the file is made of. */
export async function makeFolderOf(path: string): Promise<void> {
  await makeFolder(path.slice(0, path.lastIndexOf("/")));
}

/** The class of each sample [count]: equal shares of the given classes, or of all, in their order. */
export function labelsOf(count: number, classes: readonly number[] = ALL_CLASSES): Int32Array {
  return Int32Array.from(
    { length: count },
    (_, i) => classes[Math.floor(i * classes.length / count)]!,
  );
}

export function namesOf(labels: ArrayLike<number>): string[] {
  return Array.from(labels, (label) => FASHION_MNIST_CLASSES[label]!);
}

/** An image for each label [B]; no image is picked twice. */
export function pickImages(
  images: LabelledImages,
  labels: Int32Array,
  random: RandomStream,
): LabelledImages {
  const order = [...random.permutation(images.labels.length)];
  const ofClass = Map.groupBy(order, (index) => images.labels[index]!);
  const picked = new Map<number, number>();
  const indices = Uint32Array.from(labels, (label) => {
    const count = picked.get(label) ?? 0;
    picked.set(label, count + 1);
    const index = ofClass.get(label)?.[count];
    if (index !== undefined) return index;
    throw usageError(
      `there are ${count} images of the class ${FASHION_MNIST_CLASSES[label]}: lower --samples.`,
    );
  });
  return gatherImages(images, indices);
}

export function drawImages(data: Uint8Array, options: GridOptions): Picture {
  return drawGrid({ width: SIDE, height: SIDE, channels: 1, data }, options);
}

/** Writes a picture as a PNG file and prints the path. @returns The bytes of the file. */
export async function writePicture(path: string, picture: Picture): Promise<Uint8Array> {
  const png = encodePng(picture);
  await writeBytes(path, png);
  return png;
}

/** Writes the file of a picture and prints the path. */
export async function writeBytes(path: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
  await writeFileAtomic(path, bytes);
  print(`samples: ${path}`);
}

/** Writes each image [N, 28, 28] as a PNG file into a folder, and their classes as labels.csv. */
export async function saveImages(
  folder: string,
  images: Uint8Array,
  labels: Int32Array | undefined,
): Promise<void> {
  await makeFolder(folder);
  const count = images.length / PIXELS;
  const names = Array.from({ length: count }, (_, i) => `${String(i).padStart(5, "0")}.png`);
  for (const [i, name] of names.entries()) {
    const data = imageAt(images, i);
    const png = encodePng({ width: SIDE, height: SIDE, channels: 1, data });
    await writeFileAtomic(`${folder}/${name}`, png);
  }
  if (labels !== undefined) {
    const rows = names.map((name, i) => [name, labels[i], FASHION_MNIST_CLASSES[labels[i]!]]);
    await writeFileAtomic(`${folder}/labels.csv`, csv([["file", "label", "class"], ...rows]));
  }
  print(`${count} images: ${folder}`);
}
