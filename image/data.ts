/** FashionMNIST as image.ts uses it: sizes, classes, and where the files come from. */
import { usageError } from "../base/errors.ts";
import { quote } from "../base/quote.ts";
import {
  FASHION_MNIST_CLASSES,
  type FashionMnist,
  loadFashionMnist,
} from "../datasets/fashion_mnist.ts";
import { type ImageNetworkConfig, isDit } from "../diffusion/networks/image_network.ts";
import type { ImageFlags } from "./flags.ts";

/** The number of classes. */
export const CLASSES = FASHION_MNIST_CLASSES.length;

/** Height and width of the images. */
export const SIDE = 28;

/** Pixels of an image. */
export const PIXELS = SIDE * SIDE;

/**
 * Loads the images and prints where they come from.
 *
 * @param sampleOnly Whether to use the bundled sample, unless --data-dir names a folder. @default {true}
 * for the preset smoke
 * @throws {UserError} As loadFashionMnist.
 */
export async function loadImages(
  { dataDir, preset }: ImageFlags,
  sampleOnly: boolean = preset === "smoke",
): Promise<FashionMnist> {
  const data = await loadFashionMnist({
    dataDir,
    dataDirName: "--data-dir",
    sampleOnly: sampleOnly && dataDir === undefined,
    log: (line) => console.error(line),
  });
  console.log(data.description);
  return data;
}

/**
 * The index of a class by its name, in upper or lower case.
 *
 * @param flag The flag that names the class, for the message.
 * @throws {UserError} With exit code 2 if there is no such class.
 */
export function classIndex(name: string, flag = "--class"): number {
  const index = FASHION_MNIST_CLASSES.findIndex((c) => c.toLowerCase() === name.toLowerCase());
  if (index >= 0) return index;
  throw usageError(`${flag} ${quote(name)}: must be one of ${FASHION_MNIST_CLASSES.join(", ")}.`);
}

/** The label of no class, if a network was trained with one. */
export function nullClassOf(config: ImageNetworkConfig): number | undefined {
  if (isDit(config)) return config.numEmbedsAdaNorm === CLASSES ? CLASSES : undefined;
  const { numClassEmbeds } = config;
  return numClassEmbeds !== null && numClassEmbeds > CLASSES ? CLASSES : undefined;
}
