/**
 * FashionMNIST (Xiao, Rasul and Vollgraf 2017, arXiv:1708.07747): 60,000 + 10,000 grey images, 28x28,
 * of garments in ten balanced classes. MIT licence, Zalando SE.
 */
import { randomStream } from "../nn/random.ts";
import { gatherImages, type LabelledImages } from "./batches.ts";
import { type Contents, type Dataset, pinnedFiles } from "./dataset.ts";
import { FASHION_MNIST_CLASSES } from "./fashion_mnist_classes.ts";
import { parseIdx } from "./idx.ts";
import type { ImageSet } from "./image_set.ts";
import { balancedSplit } from "./split.ts";
import { openDataset, provenanceOf, type SourceOptions } from "./sources.ts";

export { FASHION_MNIST_CLASSES };

const SIDE = 28;
const MIRRORS = [
  "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
  "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/" +
  "b2617bb6d3ffa2e429640350f613e3291e10b141/data/fashion/",
];

/** FashionMNIST's files, with hashes and addresses. */
export const FASHION_MNIST: Dataset = {
  title: "FashionMNIST",
  id: "fashion-mnist",
  files: pinnedFiles(`
    c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888 47040016 60000 train-images-idx3-ubyte.gz
    bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9 60008 60000 train-labels-idx1-ubyte.gz
    5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b 7840016 10000 t10k-images-idx3-ubyte.gz
    0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34 10008 10000 t10k-labels-idx1-ubyte.gz
  `).map((pin) => ({ ...pin, addresses: MIRRORS.map((mirror) => mirror + pin.name) })),
  otherFolders: ["FashionMNIST/raw"],
  systemFolder: "/usr/share/datasets/fashion-mnist",
  sample: {
    folder: new URL("./samples/fashion-mnist/", import.meta.url),
    files: pinnedFiles(`
    cf313073c7eb485392848071d5c433571d7166043e971e3345b095cc30518084 4704016 6000 train-images-idx3-ubyte.gz
    097b93fbcf9bd5bc648b1a457ddc55c9e4ab49afb33f9ecae8ce068399a75e3a 6008 6000 train-labels-idx1-ubyte.gz
    7cee33c3c6414b1b86c25e665a6c4f41584269de3b7cc9768b1d351922845eef 784016 1000 t10k-images-idx3-ubyte.gz
    3128d790775889812b73c4f13923559c8b9e281d112c6ea7862acf60a206a909 1008 1000 t10k-labels-idx1-ubyte.gz`),
    description: "6,000 + 1,000 of the 60,000 + 10,000 images",
  },
};

/** Options of {@linkcode loadFashionMnist}. */
export interface FashionMnistOptions extends SourceOptions {
  /**
   * The number of training images to hold out for validation, a multiple of 10.
   * @default {a twelfth: 5,000, of the sample 500}
   */
  readonly validationSize?: number | undefined;
}

/**
 * FashionMNIST, in memory: training images in the file's order without those that are held out, the same
 * number of each class; and the test files' images.
 */
export type FashionMnist = ImageSet;

/** The images and labels of "train" or "t10k". Their hashes guarantee that they belong together. */
function labelled(contents: Contents, part: "train" | "t10k"): LabelledImages {
  const read = (name: string) => parseIdx(contents.get(name)!, { name }).data;
  return {
    images: read(`${part}-images-idx3-ubyte.gz`),
    labels: read(`${part}-labels-idx1-ubyte.gz`),
  };
}

/**
 * Loads FashionMNIST from the first place that has it (see {@linkcode openDataset} for the order and
 * the options), and holds out a part of the training images for validation.
 *
 * @throws {UserError} As {@linkcode openDataset}.
 * @throws {RangeError} If `validationSize` is not a multiple of 10 or leaves nothing to train on.
 *
 * @example The bundled sample, without a download
 * ```ts
 * import { loadFashionMnist, toModelRange } from "@nanodiffusion/nanodiffusion";
 *
 * const { train } = await loadFashionMnist({ sampleOnly: true });
 * const images = toModelRange(train.images); // [N, 28, 28] in [-1, 1]
 * console.assert(images.length === train.labels.length * 28 * 28);
 * ```
 */
export async function loadFashionMnist(options: FashionMnistOptions = {}): Promise<FashionMnist> {
  const opened = await openDataset(FASHION_MNIST, options);
  const all = labelled(opened.contents, "train");
  const { validationSize = all.labels.length / 12 } = options;
  if (validationSize >= all.labels.length) {
    throw new RangeError(`validationSize ${validationSize} leaves nothing to train on`);
  }
  const { kept, heldOut } = balancedSplit(all.labels, {
    classes: FASHION_MNIST_CLASSES.length,
    heldOut: validationSize,
    random: randomStream(0).stream("fashion-mnist validation"),
  });
  return {
    train: gatherImages(all, kept),
    validation: gatherImages(all, heldOut),
    test: labelled(opened.contents, "t10k"),
    classNames: FASHION_MNIST_CLASSES,
    height: SIDE,
    width: SIDE,
    channels: 1,
    ...provenanceOf(FASHION_MNIST, opened),
  };
}
