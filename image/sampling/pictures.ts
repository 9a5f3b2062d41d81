/** What the pictures of image.ts share: samplers with a progress line, test images, grids and files. */
import { print } from "../../cli/output.ts";
import { usageError } from "../../base/errors.ts";
import { csv } from "../../base/csv.ts";
import { makeFolder, writeFileAtomic } from "../../base/files.ts";
import { Progress } from "../../cli/progress.ts";
import { gatherImages, type LabelledImages } from "../../datasets/batches.ts";
import { type ImageKind, pixelsOf } from "../../datasets/image_set.ts";
import type { Device } from "../../engine/device.ts";
import { type RandomStream, randomStream } from "../../nn/random.ts";
import { drawGrid, type GridOptions } from "../../report/grid.ts";
import type { Picture } from "../../report/picture.ts";
import { encodePng } from "../../report/png.ts";
import { type SampledModel, samplingOptionsOf } from "../check_sampling.ts";
import { imageAt } from "../data.ts";
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

/** Generates samples with a progress line: pixels [N, H, W, C]. */
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

/**
 * The class of each sample [count]: equal shares of the given classes, or of all, in their order; 0 for images
 * without classes.
 */
export function labelsOf(
  count: number,
  { classNames }: Pick<ImageKind, "classNames">,
  asked?: readonly number[],
): Int32Array {
  const classes = asked ?? [...classNames.keys()];
  if (classes.length === 0) return new Int32Array(count);
  return Int32Array.from(
    { length: count },
    (_, i) => classes[Math.floor(i * classes.length / count)]!,
  );
}

export function namesOf(
  labels: ArrayLike<number>,
  { classNames }: Pick<ImageKind, "classNames">,
): string[] {
  return Array.from(labels, (label) => classNames[label]!);
}

/** An image for each label [B]; no image is picked twice. */
export function pickImages(
  images: LabelledImages,
  labels: Int32Array,
  { random, classNames }: { random: RandomStream; classNames: readonly string[] },
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
      `there are only ${count} held-out images${
        classNames.length === 0 ? "" : ` of the class ${classNames[label]}`
      }: lower --samples.`,
    );
  });
  return gatherImages(images, indices);
}

/** Images [N, H, W, C] as a grid. */
export function drawImages(
  data: Uint8Array,
  { height, width, channels }: Omit<ImageKind, "classNames">,
  options: GridOptions,
): Picture {
  return drawGrid({ width, height, channels, data }, options);
}

/** Writes a picture as a PNG file. @returns The bytes of the file. */
export async function writePicture(path: string, picture: Picture): Promise<Uint8Array> {
  const png = encodePng(picture);
  await writeFileAtomic(path, png);
  return png;
}

/** The paths of the pictures and animations in a folder, by their names, for printResult(). */
export async function picturesIn(folder: string): Promise<Record<string, string>> {
  const names = (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name);
  const pictures = names.filter((name) => /\.(png|gif)$/.test(name)).sort();
  return Object.fromEntries(
    pictures.map((name) => [name.replace(/\.png$/, ""), `${folder}/${name}`]),
  );
}

/** Writes each image [N, H, W, C] as a PNG file into a folder, and their classes as labels.csv. */
export async function saveImages(
  folder: string,
  images: Uint8Array,
  { labels, kind }: { labels: Int32Array | undefined; kind: ImageKind },
): Promise<void> {
  const { height, width, channels } = kind;
  await makeFolder(folder);
  const count = images.length / pixelsOf(kind);
  const names = Array.from({ length: count }, (_, i) => `${String(i).padStart(5, "0")}.png`);
  for (const [i, name] of names.entries()) {
    const data = imageAt(images, i, pixelsOf(kind));
    const png = encodePng({ width, height, channels, data });
    await writeFileAtomic(`${folder}/${name}`, png);
  }
  if (labels !== undefined) {
    const rows = names.map((name, i) => [name, labels[i], kind.classNames[labels[i]!]]);
    await writeFileAtomic(`${folder}/labels.csv`, csv([["file", "label", "class"], ...rows]));
  }
  print(`${count} images: ${folder}`);
}
