/** The figures that a set of images is judged by, on a classifier's features. */
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

/** The figures. */
export interface Quality {
  /** The Frechet distance to the real images: 0 where the features' first two moments are theirs. */
  readonly fid: number;
  /** The kernel distance to the real images; a little below 0 by chance where there is none. */
  readonly kid: number;
  /** The share of images in which the classifier sees the class that was asked for, if one was. */
  readonly classAgreement: number | undefined;
  /** The share of images that look real. */
  readonly precision: number;
  /** The share of what is real that they cover. */
  readonly recall: number;
}

/** What a classifier sees in a set of images. */
export interface SeenImages {
  /** Its features [N, D]. */
  readonly features: FeatureRows;
  /** The classes that it takes them for [N]. */
  readonly classes: Int32Array;
  /** The classes that they are meant to have [N]; undefined if none were asked for. */
  readonly labels: ArrayLike<number> | undefined;
}

/** Real images that others are compared with. */
export interface RealFeatures {
  /** Their features [M, D]. */
  readonly rows: FeatureRows;
  /** The mean and the covariance of those. */
  readonly statistics: FeatureStatistics;
}

/** A few vectors of a set, see {@linkcode evenIndices}. @returns [count, D], or all if there are no more. */
function spreadRows(rows: FeatureRows, count: number): FeatureRows {
  const { data, width } = rows;
  const chosen = new Float32Array(count * width);
  evenIndices(countRows(rows), count).forEach((row, i) =>
    chosen.set(data.subarray(row * width, (row + 1) * width), i * width)
  );
  return { data: chosen, width };
}

/**
 * Measures a set of images. FID and KID compare all of it with all real images; precision and recall,
 * which depend on the numbers of both, as many of either as there are of the fewer.
 *
 * @param products How inner products are computed. @default float64 on the host
 * @throws {UserError} For fewer than four images, features of another length, or a feature that is no
 * finite number.
 */
export async function measureQuality(
  { features, classes, labels }: SeenImages,
  { rows, statistics }: RealFeatures,
  products?: InnerProducts,
): Promise<Quality> {
  const count = Math.min(countRows(features), countRows(rows));
  const neighbourhoods = await precisionRecall(
    spreadRows(rows, count),
    spreadRows(features, count),
    products === undefined ? {} : { products },
  );
  return {
    fid: frechetDistance(statistics, featureStatistics(features)),
    kid: await kernelDistance(rows, features, products),
    classAgreement: labels === undefined ? undefined : classAgreement(classes, labels),
    ...neighbourhoods,
  };
}
