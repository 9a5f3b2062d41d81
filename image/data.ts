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

/** The index of the class that a flag names, in upper or lower case. */
export function classIndex(name: string, flag = "--class"): number {
  const index = FASHION_MNIST_CLASSES.findIndex((c) => c.toLowerCase() === name.toLowerCase());
  if (index >= 0) return index;
  throw usageError(`${flag} ${quote(name)}: must be one of ${FASHION_MNIST_CLASSES.join(", ")}.`);
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
