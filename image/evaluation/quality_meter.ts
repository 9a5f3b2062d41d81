/** The classifier and the real images that samples are judged by. */
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
import { pickImages } from "../sampling/tool.ts";
import { compileProducts } from "./device_products.ts";
import { measureQuality, type Quality } from "./quality.ts";
import { labelsOf } from "../sampling/grid.ts";

/** Judges images; disposing of it releases its graphs. */
export interface QualityMeter extends AsyncDisposable {
  /** The share of test images whose class the classifier finds. */
  readonly testAccuracy: number;
  /**
   * Measures images against the test images.
   *
   * @param pixels [N, 28, 28], 0 to 255.
   * @param labels The classes that were asked for [N], if any were.
   */
  measure(pixels: Uint8Array, labels: Int32Array | undefined): Promise<Quality>;
  /**
   * What real images score: training images, as many of each class as samples have.
   *
   * @param count How many.
   */
  measureReal(count: number): Promise<Quality>;
  /**
   * FID of as many of the test images themselves, which others take for the floor: it is not 0, since a
   * part is not the whole.
   *
   * @returns undefined if there are no more test images than that.
   */
  measurePart(count: number): Promise<number | undefined>;
}

/**
 * Refuses more samples than there are training images to measure the floor with.
 *
 * @throws {UserError} With exit code 2.
 */
export function checkSampleCount(samples: number, { train }: Pick<FashionMnist, "train">): void {
  const count = train.labels.length;
  if (samples <= count) return;
  throw usageError(
    `--evaluate-samples ${samples}: there are only ${count} training images to compare as many of: ` +
      "lower it.",
  );
}

/** Looks at the test images, and is ready to measure others. */
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
        const { images, labels } = pickReal(data.train, count);
        return await measure(images, labels);
      },
      measurePart: async (count) => {
        if (count >= data.test.labels.length) return undefined;
        const { images } = pickReal(data.test, count);
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

/** Images with the classes that as many samples have; always the same ones. */
function pickReal(set: LabelledImages, count: number): LabelledImages {
  return pickImages(set, labelsOf(count, undefined), randomStream(0).stream("real images"));
}
