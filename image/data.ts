/** The images of image.ts: where they come from, their sizes and classes. */
import { join } from "node:path";
import { print, warn } from "../cli/output.ts";
import { usageError } from "../base/errors.ts";
import { quote } from "../base/quote.ts";
import {
  FASHION_MNIST,
  FASHION_MNIST_CLASSES,
  loadFashionMnist,
} from "../datasets/fashion_mnist.ts";
import {
  findImageFiles,
  hashOfFile,
  IMAGE_FILES,
  loadImageFiles,
} from "../datasets/image_files.ts";
import { loadImageFolder } from "../datasets/image_folder.ts";
import type { ImageKind, ImageSet } from "../datasets/image_set.ts";
import { type ImageNetworkConfig, isDit } from "../diffusion/networks/image_network.ts";
import { nearest } from "../cli/flags.ts";
import type { ImageFlags } from "./flags.ts";

/** The images of FashionMNIST. */
export const FASHION: ImageKind = {
  height: 28,
  width: 28,
  channels: 1,
  classNames: FASHION_MNIST_CLASSES,
};

export function isFashion({ classNames }: Pick<ImageKind, "classNames">): boolean {
  return classNames === FASHION.classNames;
}

/** Refuses to continue or repeat a run of other images without them. */
export function checkImages(
  { images, dataDir }: ImageFlags,
  replay: { readonly recorded: object; readonly origin: string | undefined } | undefined,
): void {
  const isOther = replay !== undefined && "imageSize" in replay.recorded;
  if (!isOther || images !== undefined || dataDir !== undefined) return;
  throw usageError(
    `--images: the run was trained on those of ${replay.origin}: name them with --images, or with ` +
      "--data-dir if they came by it.",
  );
}

/** The flags that name the images. */
type ImageSource = {
  readonly [
    Flag in "images" | "dataDir" | "preset" | "imageSize" | "colors" | "validationSize"
  ]?: ImageFlags[Flag] | undefined;
};

/**
 * Loads the images and prints where they come from.
 *
 * @param sampleOnly Whether to use the bundled sample of FashionMNIST, unless a folder is named.
 */
export async function loadImages(
  source: ImageSource,
  sampleOnly: boolean = source.preset === "smoke",
): Promise<ImageSet> {
  const { images, dataDir, imageSize, colors, validationSize } = source;
  if (images !== undefined && dataDir !== undefined) {
    throw usageError("--images and --data-dir both name the images: leave one of them out.");
  }
  if (images === undefined && dataDir === undefined) refuseSizes(source, "is for --images DIR");
  const load = async () => {
    if (images !== undefined) {
      return await loadImageFolder(images, {
        size: imageSize,
        channels: colors === undefined ? undefined : colors === "rgb" ? 3 : 1,
        validationSize,
        log: warn,
      });
    }
    const other = dataDir === undefined ? undefined : await otherFiles(dataDir);
    return other ?? await loadFashionMnist({
      dataDir,
      dataDirName: "--data-dir",
      sampleOnly: sampleOnly && dataDir === undefined,
      log: warn,
    });
  };
  const data = await load();
  if (images === undefined) {
    const { height, channels } = data;
    const own = { imageSize: height, colors: channels === 3 ? "rgb" : "grey" } as const;
    const differs = imageSize !== undefined && imageSize !== own.imageSize ||
      colors !== undefined && colors !== own.colors;
    if (differs) {
      refuseSizes(source, "is for --images DIR, and the files of --data-dir have their own");
    }
  }
  print(data.description);
  return data;
}

function refuseSizes({ imageSize, colors }: ImageSource, reason: string): void {
  if (imageSize === undefined && colors === undefined) return;
  const flag = imageSize === undefined ? `--colors ${colors}` : `--image-size ${imageSize}`;
  throw usageError(`${flag} ${reason}: leave it out.`);
}

/**
 * A set of images in published files that is not FashionMNIST; undefined for FashionMNIST's files and folders.
 *
 * @throws {UserError} If the folder has files, but no set of images.
 */
async function otherFiles(dataDir: string): Promise<ImageSet | undefined> {
  const files = await findImageFiles(dataDir);
  if (files === undefined) {
    const entries = await Array.fromAsync(Deno.readDir(dataDir)).catch(() => []);
    const names = entries.map(({ name }) => name).sort();
    const isFolderOfSets = entries.some(({ isDirectory }) => isDirectory);
    const isTheSet = names.some((name) => FASHION_MNIST.files.some((pin) => pin.name === name));
    if (names.length === 0 || isFolderOfSets || isTheSet) return undefined;
    throw usageError(
      `--data-dir ${dataDir}: no set of images: it has ${
        quote(names.join(", "), 80)
      }, and expected are ` +
        `${IMAGE_FILES}. For a folder of pictures use --images.`,
    );
  }
  const [pin] = FASHION_MNIST.files;
  const hash = await hashOfFile(join(dataDir, files.train[0]!));
  return hash === pin!.sha256 ? undefined : await loadImageFiles(dataDir, files);
}

/** @throws {UserError} If a batch is larger than the set, whose images it would repeat. */
export function checkBatchSize(
  { batchSize }: { batchSize: number },
  { train }: Pick<ImageSet, "train">,
): void {
  const count = train.labels.length;
  if (batchSize <= count) return;
  throw usageError(
    `--batch-size ${batchSize}: there are ${count} training images; give at most that.`,
  );
}

/** The index of the class that a flag names, in upper or lower case, or by its number. */
export function classIndex(
  name: string,
  { classNames }: Pick<ImageKind, "classNames">,
  flag = "--class",
): number {
  if (classNames.length === 0) {
    throw usageError(`${flag} ${quote(name)}: these images have no classes; leave it out`);
  }
  const lower = classNames.map((name) => name.toLowerCase());
  const named = lower.indexOf(name.toLowerCase());
  const index = named < 0 && /^\d+$/.test(name) ? Number(name) : named;
  if (index >= 0 && index < classNames.length) return index;
  const words = new Map(
    lower.flatMap((name, i) => [...name.split(/[ /]/), name].map((word) => [word, classNames[i]])),
  );
  const meant = words.get(nearest(name.toLowerCase(), [...words.keys()]));
  const some = classNames.slice(0, SHOWN_CLASSES).join(", ");
  throw usageError(
    `${flag} ${quote(name)}: must be one of ${some}${
      classNames.length > SHOWN_CLASSES ? " ..." : ""
    }, or 0 to ${classNames.length - 1}; did you mean ${meant}?`,
  );
}

/** Classes that a message lists. */
const SHOWN_CLASSES = 20;

/** The classes that `--class` names, separated by commas; undefined for all. */
export function classesOf(
  { class: names }: ImageFlags,
  images: Pick<ImageKind, "classNames">,
): readonly number[] | undefined {
  return names?.split(",").map((name) => classIndex(name.trim(), images));
}

/** Image i of images [N, H, W, C]. @param size H W C. */
export function imageAt<A extends Uint8Array | Float32Array>(
  images: A,
  i: number,
  size: number,
): A {
  return images.subarray(i * size, (i + 1) * size) as A;
}

export function hasClasses(config: ImageNetworkConfig): boolean {
  return (isDit(config) ? config.numEmbedsAdaNorm : config.numClassEmbeds) !== null;
}

/** The label that stands for no class, if the network was trained with one. @param classes Without it. */
export function nullClassOf(config: ImageNetworkConfig, classes: number): number | undefined {
  if (isDit(config)) return config.numEmbedsAdaNorm === classes ? classes : undefined;
  const { numClassEmbeds } = config;
  return numClassEmbeds !== null && numClassEmbeds > classes ? classes : undefined;
}
