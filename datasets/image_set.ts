/** A set of images in memory. */
import type { LabelledImages } from "./batches.ts";
import type { Provenance } from "./sources.ts";

/** What the images of a set are like, or those that a model makes. */
export interface ImageKind {
  /** Rows of an image. */
  readonly height: number;
  /** Columns of an image. */
  readonly width: number;
  /** 1 for grey images, 3 for RGB. */
  readonly channels: 1 | 3;
  /** Names of the classes; a label is an index into them. Empty for images without classes. */
  readonly classNames: readonly string[];
}

/** Images with labels, in three parts. */
export interface ImageSet extends ImageKind, Provenance {
  /** The images to train on, [N, H, W, C]. */
  readonly train: LabelledImages;
  /** Images that are held out to choose settings by. */
  readonly validation: LabelledImages;
  /** Images that are held out to measure with. */
  readonly test: LabelledImages;
}

/** The numbers of an image. */
export function pixelsOf({ height, width, channels }: Omit<ImageKind, "classNames">): number {
  return height * width * channels;
}
