/**
 * The Frechet distance between normal distributions. With features of a network it is FID (Heusel et al.
 * 2017, arXiv:1706.08500, equation 6).
 */
import { EigenvalueDecomposition, Matrix } from "ml-matrix";
import { UserError } from "../base/errors.ts";
import type { FeatureStatistics } from "./feature_statistics.ts";

/**
 * |m1 - m2|^2 + tr(C1 + C2 - 2 sqrt(C1 C2)). It falls with the number of samples, even for equal
 * distributions, so compare only values for the same numbers of samples.
 *
 * @returns At least 0.
 * @throws {UserError} If the features' lengths differ.
 *
 * @example Two sets whose means are 3 apart
 * ```ts
 * import { featureStatistics, frechetDistance } from "@nanodiffusion/nanodiffusion/metrics";
 *
 * const rows = Float32Array.of(0, 0, 0, 1, 1, 0, 1, 1); // four vectors of two features
 * const a = featureStatistics({ data: rows, width: 2 });
 * const b = featureStatistics({ data: rows.map((value) => value + 3 / Math.SQRT2), width: 2 });
 * console.assert(Math.abs(frechetDistance(a, b) - 9) < 1e-5);
 * ```
 */
export function frechetDistance(a: FeatureStatistics, b: FeatureStatistics): number {
  const size = a.mean.length;
  if (b.mean.length !== size) {
    throw new UserError(
      `statistics of features of length ${size} cannot be compared with those of ${b.mean.length}`,
    );
  }
  let distance = 0;
  for (let i = 0; i < size; i++) {
    distance += (a.mean[i]! - b.mean[i]!) ** 2;
    distance += a.covariance[i * size + i]! + b.covariance[i * size + i]!;
  }
  const root = traceOfRoot(factorOf(a), squareMatrix(b.covariance, size));
  return Math.max(0, distance - 2 * root);
}

/** The factors of covariances, kept because a distribution is often compared with several others. */
const kept = new WeakMap<FeatureStatistics, Matrix>();

/** R of a covariance R R': V sqrt(D) with eigenvectors V and eigenvalues D. */
function factorOf(statistics: FeatureStatistics): Matrix {
  const known = kept.get(statistics);
  if (known !== undefined) return known;
  const { covariance, mean } = statistics;
  const { realEigenvalues, eigenvectorMatrix } = decompose(squareMatrix(covariance, mean.length));
  // Eigenvalues of a covariance are negative by rounding errors only.
  const roots = realEigenvalues.map((value) => Math.sqrt(Math.max(0, value)));
  const factor = eigenvectorMatrix.mulRowVector(roots); // V sqrt(D), column by column
  kept.set(statistics, factor);
  return factor;
}

/**
 * tr sqrt(A B) of two covariances: the sum of the square roots of the eigenvalues of R' B R with A = R R'.
 * That matrix is symmetric and has the eigenvalues of A B. The square root of A B itself, which is not
 * symmetric, would lose precision and could become complex for singular covariances.
 *
 * @param factor R of A.
 */
function traceOfRoot(factor: Matrix, b: Matrix): number {
  const product = factor.transpose().mmul(b).mmul(factor);
  const symmetric = Matrix.add(product, product.transpose()).mul(0.5);
  return decompose(symmetric).realEigenvalues
    .reduce((sum, value) => sum + Math.sqrt(Math.max(0, value)), 0);
}

function squareMatrix(values: Float64Array, size: number): Matrix {
  return Matrix.from1DArray(size, size, values as unknown as number[]);
}

function decompose(symmetric: Matrix): EigenvalueDecomposition {
  return new EigenvalueDecomposition(symmetric, { assumeSymmetric: true });
}
