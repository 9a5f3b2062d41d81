/** FID, KID, class agreement, precision and recall of images, on the features of a classifier. */
import {
  countRows,
  type FeatureRows,
  type FeatureStatistics,
  featureStatistics,
} from "../../metrics/feature_statistics.ts";
import { classAgreement } from "../classifier/classify.ts";
import { frechetDistance } from "../../metrics/frechet_distance.ts";
import type { InnerProducts } from "../../metrics/inner_products.ts";
import { kernelDistance } from "../../metrics/kernel_distance.ts";
import { precisionRecall } from "../../metrics/precision_recall.ts";
import { evenIndices } from "../../metrics/arrays.ts";

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

/** The classifier's output for a set of images. */
export interface ClassifiedImages {
  /** The features [N, D]. */
  readonly features: FeatureRows;
  /** The predicted classes [N]. */
  readonly classes: Int32Array;
  /** The intended classes [N], if there are any. */
  readonly labels: ArrayLike<number> | undefined;
}

/** Real images to compare with. */
export interface RealFeatures {
  /** The features [M, D]. */
  readonly rows: FeatureRows;
  /** Their mean and covariance. */
  readonly statistics: FeatureStatistics;
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
 * @param products How inner products are computed. @default float64 on the host
 * @throws {UserError} For fewer than four images, features of another length, or a feature that is not
 * finite.
 */
export async function measureQuality(
  { features, classes, labels }: ClassifiedImages,
  { rows, statistics }: RealFeatures,
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
