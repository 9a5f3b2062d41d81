/** FID, KID, class agreement, precision and recall of images, on the features of the classifier. */
import { usageError } from "../../base/errors.ts";
import type { LabelledImages } from "../../datasets/batches.ts";
import type { ImageSet } from "../../datasets/image_set.ts";
import { toModelRange } from "../../datasets/pixels.ts";
import type { Device } from "../../engine/device.ts";
import * as tf from "../../engine/tf.ts";
import { float32, type HostArray } from "../../engine/tree.ts";
import { evenIndices } from "../../metrics/arrays.ts";
import {
  countRows,
  type FeatureRows,
  type FeatureStatistics,
  featureStatistics,
} from "../../metrics/feature_statistics.ts";
import { frechetDistance } from "../../metrics/frechet_distance.ts";
import type { InnerProducts } from "../../metrics/inner_products.ts";
import { kernelDistance } from "../../metrics/kernel_distance.ts";
import { precisionRecall } from "../../metrics/precision_recall.ts";
import { randomStream } from "../../nn/random.ts";
import type { Classifier } from "../classifier/checkpoint.ts";
import { FASHION } from "../data.ts";
import { classAgreement, type Classified, compileClassifier } from "../classifier/classify.ts";
import { labelsOf, pickImages } from "../sampling/pictures.ts";

/** The quality of a set of images. */
export interface Quality {
  /** The Frechet distance to the real images: 0 if mean and covariance of the features are equal. */
  readonly fid: number;
  /** The kernel distance to the real images; its estimate may be slightly negative. */
  readonly kid: number;
  /** The share of images that the classifier assigns to their intended class; undefined without classes. */
  readonly classAgreement: number | undefined;
  /** The share of images that lie among the real images. */
  readonly precision: number;
  /** The share of the real images that lie among the images. */
  readonly recall: number;
}

/** Evenly spaced vectors of a set: see {@linkcode evenIndices}. @returns [min(count, N), D] */
function evenRows(rows: FeatureRows, count: number): FeatureRows {
  const { data, width } = rows;
  const chosen = new Float32Array(count * width);
  evenIndices(countRows(rows), count).forEach((row, i) =>
    chosen.set(data.subarray(row * width, (row + 1) * width), i * width)
  );
  return { data: chosen, width };
}

/**
 * Measures a set of images. FID and KID compare all images with all real images. Precision and recall depend
 * on the sizes of the sets, so both are reduced to the size of the smaller one.
 *
 * @param images The classifier's output [N, D] and [N], and the intended classes [N].
 * @param real The features of the real images [M, D], with their mean and covariance.
 * @param products How inner products are computed; float64 on the host by default.
 * @throws {UserError} For fewer than four images, features of another length, or a feature that is not
 * finite.
 */
export async function measureQuality(
  { features, classes, labels }: Classified & { labels: ArrayLike<number> | undefined },
  { rows, statistics }: { rows: FeatureRows; statistics: FeatureStatistics },
  products?: InnerProducts,
): Promise<Quality> {
  const count = Math.min(countRows(features), countRows(rows));
  const neighbourhoods = await precisionRecall(
    evenRows(rows, count),
    evenRows(features, count),
    { products },
  );
  return {
    fid: frechetDistance(statistics, featureStatistics(features)),
    kid: await kernelDistance(rows, features, products),
    classAgreement: labels === undefined ? undefined : classAgreement(classes, labels),
    ...neighbourhoods,
  };
}

/** Compiles inner products in float32. */
export function compileProducts(device: Device): InnerProducts & { dispose(): Promise<void> } {
  const compiled = device.compile<{ a: HostArray; b: HostArray }, HostArray>(({ a, b }) =>
    tf.matMul(a as tf.Tensor2D, b as tf.Tensor2D, false, true)
  );
  const rowsOf = (rows: FeatureRows) =>
    float32(Float32Array.from(rows.data), [countRows(rows), rows.width]);
  const products = async (a: FeatureRows, b: FeatureRows) =>
    (await compiled({ a: rowsOf(a), b: rowsOf(b) })).data;
  return Object.assign(products, { dispose: () => compiled.dispose() });
}

/** Measures images with the classifier, against the test images. */
export interface QualityMeter extends AsyncDisposable {
  /** The accuracy of the classifier on the test images. */
  readonly testAccuracy: number;
  /** Measures images [N, 28, 28], 0 to 255, which should have the classes [N], if there are any. */
  measure(pixels: Uint8Array, labels: ArrayLike<number> | undefined): Promise<Quality>;
  /** Measures training images, with the same number of each class as samples have. */
  measureReal(count: number): Promise<Quality>;
  /**
   * FID of a subset of the test images, often quoted as the lowest reachable FID. It is not 0, since a subset
   * has other statistics than the whole set. Undefined unless there are more than `count` test images.
   */
  measureSubset(count: number): Promise<number | undefined>;
}

/** Refuses more samples than there are training images, which are measured in the same number. */
export function checkSampleCount(samples: number, { train }: ImageSet): void {
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
  data: ImageSet,
): Promise<QualityMeter> {
  await using graphs = new AsyncDisposableStack();
  const classify = compileClassifier(device, classifier);
  graphs.defer(() => classify.dispose());
  const products = compileProducts(device);
  graphs.defer(() => products.dispose());
  const test = await classify(toModelRange(data.test.images));
  const real = { rows: test.features, statistics: featureStatistics(test.features) };
  const measure = async (pixels: Uint8Array, labels: ArrayLike<number> | undefined) =>
    await measureQuality({ ...await classify(toModelRange(pixels)), labels }, real, products);
  const opened = graphs.move();
  return {
    testAccuracy: classAgreement(test.classes, data.test.labels),
    measure,
    measureReal: async (count) => {
      const { images, labels } = pickSubset(data.train, count);
      return await measure(images, labels);
    },
    measureSubset: async (count) => {
      if (count >= data.test.labels.length) return undefined;
      const { features } = await classify(toModelRange(pickSubset(data.test, count).images));
      return frechetDistance(real.statistics, featureStatistics(features));
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

/** Images with the same number of each class as samples have; the choice is always the same. */
function pickSubset(set: LabelledImages, count: number): LabelledImages {
  const random = randomStream(0).stream("real images");
  return pickImages(set, labelsOf(count, FASHION), { random, classNames: FASHION.classNames });
}
