/** Samples beside their nearest training images, which shows whether a model memorises. */
import { gather } from "../../datasets/batches.ts";
import { type ImageKind, type ImageSet, pixelsOf } from "../../datasets/image_set.ts";
import type { Device } from "../../engine/device.ts";
import { evenIndices, insertSorted, median } from "../../metrics/arrays.ts";
import type { InnerProducts } from "../../metrics/inner_products.ts";
import { nearestNeighbours, type Neighbours } from "../../metrics/nearest_neighbours.ts";
import type { Picture } from "../../report/picture.ts";
import { imageAt } from "../data.ts";
import { drawImages } from "../sampling/pictures.ts";
import { compileProducts } from "./quality.ts";

/** Neighbours shown beside a sample. */
const SHOWN = 6;
/** The most samples, and test images, whose distances are measured. */
const MEASURED = 500;
/** Training images per comparison: 12 MB of numbers. */
const PART = 4000;

/** The distances to the nearest training images. */
export interface NearestTraining {
  /** A row per class: a sample, then its nearest training images with their distances. */
  readonly picture: Picture;
  /** The number of samples, and of test images, that the medians are taken over. */
  readonly measured: number;
  /** The median distance of samples to their nearest training image, in grey levels. */
  readonly samples: number;
  /** The same for test images, which the model has never seen. */
  readonly testImages: number;
}

/**
 * Finds the nearest images by the root mean squared difference of grey levels.
 *
 * @param queries Pixels [Q, size].
 * @param candidates Pixels [N, size]; they are compared in parts, which bounds the memory.
 * @param options `size`: pixels per image. `k`: the number of neighbours.
 * @returns The k nearest of each query [Q].
 */
export async function nearestImages(
  queries: Uint8Array,
  candidates: Uint8Array,
  { size, k, products }: { size: number; k: number; products?: InnerProducts | undefined },
): Promise<Neighbours[]> {
  const rows = (pixels: Uint8Array) => ({ data: Float32Array.from(pixels), width: size });
  const count = candidates.length / size;
  const nearest = Array.from({ length: queries.length / size }, () => ({
    indices: new Int32Array(k).fill(-1),
    distances: new Float64Array(k).fill(Infinity),
  }));
  for (let start = 0; start < count; start += PART) {
    const part = candidates.subarray(start * size, (start + PART) * size);
    const found = await nearestNeighbours(rows(queries), rows(part), {
      k: Math.min(k, part.length / size),
      products,
    });
    found.forEach(({ indices, distances }, query) => {
      const kept = nearest[query]!;
      indices.forEach((index, i) => {
        const place = insertSorted(kept.distances, distances[i]! / Math.sqrt(size));
        if (place < 0) return;
        kept.indices.copyWithin(place + 1, place);
        kept.indices[place] = start + index;
      });
    });
  }
  return nearest;
}

/** Finds the training images that are nearest to samples [N, 28, 28], which are in the order of their classes. */
export async function nearestTraining(
  device: Device,
  samples: Uint8Array,
  data: ImageKind & Pick<ImageSet, "train" | "test">,
  hasClasses: boolean,
): Promise<NearestTraining> {
  const { train, test, classNames } = data;
  const pixels = pixelsOf(data);
  const products = compileProducts(device);
  const nearest = async (queries: Uint8Array, k: number) =>
    await nearestImages(queries, train.images, { size: pixels, k, products });
  try {
    const some = (images: Uint8Array, count: number) =>
      gather(images, evenIndices(images.length / pixels, count), pixels);
    const shown = some(samples, classNames.length);
    const rows = shown.length / pixels;
    const columns = 1 + SHOWN;
    const drawn = new Uint8Array(rows * columns * pixels);
    const labels: string[] = [];
    (await nearest(shown, SHOWN)).forEach(({ indices, distances }, row) => {
      const add = (column: number, image: Uint8Array, label: string) => {
        drawn.set(image, (row * columns + column) * pixels);
        labels.push(label);
      };
      add(0, imageAt(shown, row, pixels), "");
      indices.forEach((index, i) =>
        add(i + 1, imageAt(train.images, index, pixels), distances[i]!.toFixed(1))
      );
    });
    const measured = Math.min(MEASURED, samples.length / pixels, test.labels.length);
    const medianDistance = async (images: Uint8Array) =>
      median((await nearest(some(images, measured), 1)).map(({ distances }) => distances[0]!));
    return {
      picture: drawImages(drawn, data, {
        columns,
        labels,
        columnLabels: ["sample", ...Array.from({ length: SHOWN }, (_, i) => String(i + 1))],
        rowLabels: hasClasses && rows === classNames.length ? classNames : undefined,
      }),
      measured,
      samples: await medianDistance(samples),
      testImages: await medianDistance(test.images),
    };
  } finally {
    await products.dispose();
  }
}
