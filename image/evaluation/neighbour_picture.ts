/** Samples beside the training images nearest to them: whoever memorises shows it here. */
import { gather } from "../../datasets/batches.ts";
import { FASHION_MNIST_CLASSES, type FashionMnist } from "../../datasets/fashion_mnist.ts";
import type { Device } from "../../engine/device.ts";
import { drawGrid } from "../../report/grid.ts";
import type { Picture } from "../../report/picture.ts";
import { CLASSES, SIDE } from "../config.ts";
import { PIXELS } from "../sampling/tool.ts";
import { compileProducts } from "./device_products.ts";
import type { InnerProducts } from "../../metrics/inner_products.ts";
import { nearestNeighbours, type Neighbours } from "../../metrics/nearest_neighbours.ts";
import { evenIndices, insertSorted } from "../../metrics/arrays.ts";

/** Neighbours beside a sample. */
const SHOWN = 6;
/** Samples, and test images, whose distances are summed up. */
const MEASURED = 500;
/** Training images that are compared at a time: 12 MB of numbers. */
const PART = 4000;

/** How near the nearest training images are. */
export interface NearestTraining {
  /** A row a class: a sample, then the training images nearest to it, with their distances. */
  readonly picture: Picture;
  /** How many samples and test images the medians are of. */
  readonly measured: number;
  /** The median distance of samples to their nearest training image, in grey levels. */
  readonly samples: number;
  /** The same of test images, which nobody can have memorised. */
  readonly testImages: number;
}

/**
 * The nearest of many images, by the root of the mean squared difference of their grey levels.
 *
 * @param queries Pixels [Q, size].
 * @param candidates Pixels [N, size]; they are compared in parts, so that memory stays bounded.
 * @param options `size`: numbers an image. `k`: how many to find.
 * @returns Q times the k nearest.
 */
export async function nearestImages(
  queries: Uint8Array,
  candidates: Uint8Array,
  { size, k, products }: { size: number; k: number; products?: InnerProducts },
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
      ...(products === undefined ? {} : { products }),
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

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}

/**
 * Finds the training images nearest to samples, pixel by pixel.
 *
 * @param samples [N, 28, 28], in the order of their classes.
 * @param conditional Whether the samples have classes.
 */
export async function nearestTraining(
  device: Device,
  samples: Uint8Array,
  { train, test }: Pick<FashionMnist, "train" | "test">,
  conditional: boolean,
): Promise<NearestTraining> {
  const products = compileProducts(device);
  const nearest = async (queries: Uint8Array, k: number) =>
    await nearestImages(queries, train.images, { size: PIXELS, k, products });
  try {
    const few = (images: Uint8Array, count: number) =>
      gather(images, evenIndices(images.length / PIXELS, count), PIXELS);
    const shown = few(samples, CLASSES);
    const rows = shown.length / PIXELS;
    const columns = 1 + SHOWN;
    const data = new Uint8Array(rows * columns * PIXELS);
    const labels: string[] = [];
    (await nearest(shown, SHOWN)).forEach(({ indices, distances }, row) => {
      const put = (column: number, image: Uint8Array, label: string) => {
        data.set(image, (row * columns + column) * PIXELS);
        labels.push(label);
      };
      put(0, shown.subarray(row * PIXELS, (row + 1) * PIXELS), "");
      indices.forEach((index, i) => {
        const image = train.images.subarray(index * PIXELS, (index + 1) * PIXELS);
        put(i + 1, image, distances[i]!.toFixed(1));
      });
    });
    const measured = Math.min(MEASURED, samples.length / PIXELS, test.labels.length);
    const typical = async (images: Uint8Array) =>
      median((await nearest(few(images, measured), 1)).map(({ distances }) => distances[0]!));
    return {
      picture: drawGrid({ width: SIDE, height: SIDE, channels: 1, data }, {
        columns,
        labels,
        columnLabels: ["sample", ...Array.from({ length: SHOWN }, (_, i) => String(i + 1))],
        ...(conditional && rows === CLASSES ? { rowLabels: [...FASHION_MNIST_CLASSES] } : {}),
      }),
      measured,
      samples: await typical(samples),
      testImages: await typical(test.images),
    };
  } finally {
    await products.dispose();
  }
}
