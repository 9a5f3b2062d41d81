/**
 * The Frechet distance between normal distributions, which on features of a network is FID (Heusel et
 * al. 2017, arXiv:1706.08500, equation 6).
 */
import { EigenvalueDecomposition, Matrix } from "ml-matrix";
import { UserError } from "../base/errors.ts";
import type { FeatureStatistics } from "./feature_statistics.ts";

function squareMatrix(values: Float64Array, size: number): Matrix {
  return Matrix.from1DArray(size, size, values as unknown as number[]);
}

function decompose(symmetric: Matrix): EigenvalueDecomposition {
  return new EigenvalueDecomposition(symmetric, { assumeSymmetric: true });
}

/** The factors of covariances that others are compared with again and again. */
const kept = new WeakMap<FeatureStatistics, Matrix>();

/** R of a covariance R R'. */
function factorOf(statistics: FeatureStatistics): Matrix {
  const known = kept.get(statistics);
  if (known !== undefined) return known;
  const { covariance, mean } = statistics;
  const { realEigenvalues, eigenvectorMatrix } = decompose(squareMatrix(covariance, mean.length));
  // Eigenvalues of a covariance are below zero by rounding only.
  const roots = realEigenvalues.map((value) => Math.sqrt(Math.max(0, value)));
  const factor = eigenvectorMatrix.mulRowVector(roots); // V sqrt(D), column by column
  kept.set(statistics, factor);
  return factor;
}

/**
 * tr sqrt(A B) of two covariances: the sum of the square roots of the eigenvalues of R' B R, where
 * A = R R' and R = V sqrt(D) comes from the eigenvectors V and eigenvalues D of A. That matrix is
 * symmetric and has the eigenvalues of A B, so no square root of a matrix that is not symmetric is
 * needed, which loses digits and may turn complex where a covariance is singular.
 *
 * @param factor R of A.
 */
function traceOfRoot(factor: Matrix, b: Matrix): number {
  const product = factor.transpose().mmul(b).mmul(factor);
  const symmetric = Matrix.add(product, product.transpose()).mul(0.5);
  return decompose(symmetric).realEigenvalues
    .reduce((sum, value) => sum + Math.sqrt(Math.max(0, value)), 0);
}

/**
 * |m1 - m2|^2 + tr(C1 + C2 - 2 sqrt(C1 C2)). It falls with the number of samples, also for equal
 * distributions: compare only values for the same numbers.
 *
 * @returns At least 0: rounding below it is taken away.
 * @throws {UserError} If the statistics are of features of different lengths.
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
