/** Measures the quality of images with the classifier, against real images. */
import type { LabelledImages } from "../../datasets/batches.ts";
import type { FashionMnist } from "../../datasets/fashion_mnist.ts";
import { toModelRange } from "../../datasets/pixels.ts";
import type { Device } from "../../engine/device.ts";
import { usageError } from "../../base/errors.ts";
import { randomStream } from "../../nn/random.ts";
import { classAgreement, compileClassifier } from "../classifier/classify.ts";
import type { Classifier } from "../classifier/checkpoint.ts";
import { frechetDistance } from "../../metrics/frechet_distance.ts";
import { featureStatistics } from "../../metrics/feature_statistics.ts";
import { labelsOf, pickImages } from "../sampling/pictures.ts";
import { compileProducts } from "./device_products.ts";
import { measureQuality, type Quality } from "./quality.ts";

/** Measures images; disposing of it releases its graphs. */
export interface QualityMeter extends AsyncDisposable {
  /** The accuracy of the classifier on the test images. */
  readonly testAccuracy: number;
  /**
   * Measures images against the test images.
   *
   * @param pixels [N, 28, 28], 0 to 255.
   * @param labels The classes that the images should have [N], if there are any.
   */
  measure(pixels: Uint8Array, labels: Int32Array | undefined): Promise<Quality>;
  /** Measures training images, with the same number of each class as samples have. */
  measureReal(count: number): Promise<Quality>;
  /**
   * FID of a subset of the test images, often quoted as the lowest reachable FID. It is not 0, since a subset
   * has other statistics than the whole set.
   *
   * @returns undefined unless there are more than `count` test images.
   */
  measureSubset(count: number): Promise<number | undefined>;
}

/**
 * Refuses more samples than there are training images, which are measured in the same number.
 *
 * @throws {UserError} With exit code 2.
 */
export function checkSampleCount(samples: number, { train }: Pick<FashionMnist, "train">): void {
  const count = train.labels.length;
  if (samples <= count) return;
  throw usageError(
    `--evaluate-samples ${samples}: equally many training images are measured, and there are only ` +
      `${count}: lower it.`,
  );
}

/** Classifies the test images and prepares to measure others. */
export async function openQualityMeter(
  device: Device,
  classifier: Classifier,
  data: Pick<FashionMnist, "train" | "test">,
): Promise<QualityMeter> {
  const classify = compileClassifier(device, classifier);
  const products = compileProducts(device);
  const dispose = async () => {
    await classify.dispose();
    await products.dispose();
  };
  try {
    const test = await classify(toModelRange(data.test.images));
    const real = { rows: test.features, statistics: featureStatistics(test.features) };
    const measure = async (pixels: Uint8Array, labels: ArrayLike<number> | undefined) =>
      await measureQuality({ ...await classify(toModelRange(pixels)), labels }, real, products);
    return {
      testAccuracy: classAgreement(test.classes, data.test.labels),
      measure,
      measureReal: async (count) => {
        const { images, labels } = pickSubset(data.train, count);
        return await measure(images, labels);
      },
      measureSubset: async (count) => {
        if (count >= data.test.labels.length) return undefined;
        const { images } = pickSubset(data.test, count);
        const { features } = await classify(toModelRange(images));
        return frechetDistance(real.statistics, featureStatistics(features));
      },
      [Symbol.asyncDispose]: dispose,
    };
  } catch (error) {
    await dispose();
    throw error;
  }
}

/** Images with the same number of each class as samples have; the choice is always the same. */
function pickSubset(set: LabelledImages, count: number): LabelledImages {
  return pickImages(set, labelsOf(count, undefined), randomStream(0).stream("real images"));
}
