/**
 * Precision and recall of samples: the share of samples that look real, and the share of real images that
 * the samples cover (Kynkaanniemi et al. 2019, arXiv:1904.06991).
 */
import { UserError } from "../base/errors.ts";
import { checkComparable, countRows, type FeatureRows } from "./feature_statistics.ts";
import { eachSquaredDistance, hostProducts, type InnerProducts } from "./inner_products.ts";
import { insertSorted } from "./arrays.ts";

/** Shares in [0, 1]. */
export interface PrecisionRecall {
  /** The share of samples within the real images' manifold. */
  readonly precision: number;
  /** The share of real images within the samples' manifold. */
  readonly recall: number;
}

/** Options of {@linkcode precisionRecall}. */
export interface PrecisionRecallOptions {
  /** The radius of a vector's sphere is the distance to its k-th neighbour. @default 3, as in the paper */
  readonly k?: number;
  /** Computes inner products. @default float64 on the host */
  readonly products?: InnerProducts | undefined;
}

/** The squared distance of every vector to its k-th nearest other one. */
async function squaredRadii(
  rows: FeatureRows,
  k: number,
  products: InnerProducts,
): Promise<Float64Array> {
  const nearest = Array.from({ length: countRows(rows) }, () => new Float64Array(k).fill(Infinity));
  await eachSquaredDistance(products, rows, rows, (squared, i, j) => {
    if (i !== j) insertSorted(nearest[i]!, squared);
  });
  return Float64Array.from(nearest, (distances) => distances[k - 1]!);
}

/**
 * Precision is the share of samples within the sphere of at least one real image; recall is the share of
 * real images within the sphere of at least one sample (equations 1 and 2). The radius of a sphere is the
 * distance to the k-th nearest neighbour in the same set. Both values depend on the numbers of vectors, so
 * use sets of equal size.
 *
 * @throws {UserError} For k or fewer vectors in a set, different lengths, or a value that is not finite.
 */
export async function precisionRecall(
  real: FeatureRows,
  samples: FeatureRows,
  { k = 3, products = hostProducts }: PrecisionRecallOptions = {},
): Promise<PrecisionRecall> {
  if (!Number.isSafeInteger(k) || k < 1) {
    throw new UserError(`k is ${k}, but must be an integer of at least 1`);
  }
  checkComparable(real, samples, k + 1);
  const realRadii = await squaredRadii(real, k, products);
  const sampleRadii = await squaredRadii(samples, k, products);
  const isCovered = new Uint8Array(realRadii.length);
  const isReal = new Uint8Array(sampleRadii.length);
  await eachSquaredDistance(products, real, samples, (squared, r, s) => {
    if (squared <= realRadii[r]!) isReal[s] = 1;
    if (squared <= sampleRadii[s]!) isCovered[r] = 1;
  });
  const share = (flags: Uint8Array) => flags.reduce((sum, flag) => sum + flag, 0) / flags.length;
  return { precision: share(isReal), recall: share(isCovered) };
}
