/** The images of image.ts: where they come from, their sizes and classes. */
import { print, warn } from "../cli/output.ts";
import { usageError } from "../base/errors.ts";
import { quote } from "../base/quote.ts";
import { FASHION_MNIST_CLASSES, loadFashionMnist } from "../datasets/fashion_mnist.ts";
import { loadImageFiles } from "../datasets/image_files.ts";
import { loadImageFolder } from "../datasets/image_folder.ts";
import type { ImageKind, ImageSet } from "../datasets/image_set.ts";
import { Progress } from "../cli/progress.ts";
import { kebabCase, nearest } from "../cli/flags.ts";
import type { Replay } from "../cli/replay.ts";
import type { ImageFlags } from "./flags.ts";

/** The images of FashionMNIST. */
export const FASHION: ImageKind = {
  height: 28,
  width: 28,
  channels: 1,
  classNames: FASHION_MNIST_CLASSES,
};

/** The names of data in a run's record. */
export const DATA_NAMES = {
  fashion: "fashion-mnist, train",
  images: "own images",
  dataDir: "image files",
} as const;

/** The name of the data in a run's record. */
export function recordedName(
  { classNames }: Pick<ImageKind, "classNames">,
  { images }: Pick<ImageFlags, "images">,
): string {
  if (classNames === FASHION.classNames) return DATA_NAMES.fashion;
  return images === undefined ? DATA_NAMES.dataDir : DATA_NAMES.images;
}

/** Refuses to continue or repeat a run of other images than FashionMNIST's without them. */
export function checkImages(
  { images, dataDir }: Pick<ImageFlags, "images" | "dataDir">,
  replay: Pick<Replay, "dataName" | "origin"> | undefined,
): void {
  if (images !== undefined || dataDir !== undefined) return;
  const flag = (["images", "dataDir"] as const).find((flag) =>
    replay?.dataName === DATA_NAMES[flag]
  );
  if (flag === undefined) return;
  const name = `--${kebabCase(flag)}`;
  throw usageError(
    `${name}: the run was trained on the images of ${replay?.origin}: name them with ${name}.`,
  );
}

/** Fewer images are loaded in a moment. */
const MANY = 2000;

/** Shows how many of many images were read, and then decoded. */
class LoadProgress {
  #shown: { readonly what: string; readonly progress: Progress } | undefined;

  readonly update = (done: number, total: number, what: string): void => {
    if (total < MANY) return;
    if (this.#shown?.what !== what) {
      void this.#shown?.progress.stop();
      this.#shown = { what, progress: new Progress({ total, label: what }) };
    }
    this.#shown.progress.update(done);
  };

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#shown?.progress.stop();
  }
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
  { images, dataDir, preset, imageSize, colors, validationSize }: ImageSource,
  sampleOnly: boolean = preset === "smoke",
): Promise<ImageSet> {
  if (images !== undefined && dataDir !== undefined) {
    throw usageError("--images and --data-dir both name the images: leave one of them out.");
  }
  if (images === undefined && (imageSize !== undefined || colors !== undefined)) {
    const flag = imageSize === undefined ? `--colors ${colors}` : `--image-size ${imageSize}`;
    throw usageError(`${flag} is for --images DIR: give that too.`);
  }
  await using progress = new LoadProgress();
  const data = images !== undefined
    ? await loadImageFolder(images, {
      size: imageSize,
      channels: colors === undefined ? undefined : colors === "rgb" ? 3 : 1,
      validationSize,
      log: warn,
      onProgress: progress.update,
    })
    : dataDir !== undefined
    ? await loadImageFiles(dataDir, {
      validationSize,
      folderName: "--data-dir",
      remedy: "name another folder, or give a folder of pictures with --images",
    })
    : await loadFashionMnist({ sampleOnly, log: warn });
  print(data.description);
  return data;
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
