/** FashionMNIST as image.ts uses it: sizes, classes, and where the files come from. */
import { print, warn } from "../cli/output.ts";
import { usageError } from "../base/errors.ts";
import { quote } from "../base/quote.ts";
import {
  FASHION_MNIST_CLASSES,
  type FashionMnist,
  loadFashionMnist,
} from "../datasets/fashion_mnist.ts";
import {
  describeNetwork,
  type ImageNetworkConfig,
  isDit,
} from "../diffusion/networks/image_network.ts";
import { nearest } from "../cli/flags.ts";
import type { ImageFlags } from "./flags.ts";

export const CLASSES = FASHION_MNIST_CLASSES.length;

export const SIDE = 28;

export const PIXELS = SIDE * SIDE;

/**
 * Loads the images and prints where they come from.
 *
 * @param sampleOnly Whether to use the bundled sample, unless --data-dir names a folder.
 */
export async function loadImages(
  { dataDir, preset }: ImageFlags,
  sampleOnly: boolean = preset === "smoke",
): Promise<FashionMnist> {
  const data = await loadFashionMnist({
    dataDir,
    dataDirName: "--data-dir",
    sampleOnly: sampleOnly && dataDir === undefined,
    log: warn,
  });
  print(data.description);
  return data;
}

/** @throws {UserError} If a batch is larger than the set, whose images it would repeat. */
export function checkBatchSize(
  { batchSize }: { batchSize: number },
  { train }: FashionMnist,
): void {
  const count = train.labels.length;
  if (batchSize <= count) return;
  throw usageError(
    `--batch-size ${batchSize}: there are ${count} training images; give at most that.`,
  );
}

/** The index of the class that a flag names, in upper or lower case, or by its number. */
export function classIndex(name: string, flag = "--class"): number {
  const lower = FASHION_MNIST_CLASSES.map((name) => name.toLowerCase());
  const index = /^\d$/.test(name) ? Number(name) : lower.indexOf(name.toLowerCase());
  if (index >= 0) return index;
  const words = new Map(
    lower.flatMap((name, i) =>
      [...name.split(/[ /]/), name].map((word) => [word, FASHION_MNIST_CLASSES[i]])
    ),
  );
  const meant = words.get(nearest(name.toLowerCase(), [...words.keys()]));
  throw usageError(
    `${flag} ${quote(name)}: must be one of ${FASHION_MNIST_CLASSES.join(", ")}, or 0 to ` +
      `${CLASSES - 1}; did you mean ${meant}?`,
  );
}

/** The classes that `--class` names, separated by commas; undefined for all. */
export function classesOf({ class: names }: ImageFlags): readonly number[] | undefined {
  return names?.split(",").map((name) => classIndex(name.trim()));
}

/** Image i of images [N, 28, 28]. */
export function imageAt<A extends Uint8Array | Float32Array>(images: A, i: number): A {
  return images.subarray(i * PIXELS, (i + 1) * PIXELS) as A;
}

export function hasClasses(config: ImageNetworkConfig): boolean {
  return describeNetwork(config, 1).numClassEmbeds !== null;
}

/** The label that stands for no class, if the network was trained with one. */
export function nullClassOf(config: ImageNetworkConfig): number | undefined {
  if (isDit(config)) return config.numEmbedsAdaNorm === CLASSES ? CLASSES : undefined;
  const { numClassEmbeds } = config;
  return numClassEmbeds !== null && numClassEmbeds > CLASSES ? CLASSES : undefined;
}
