/** Means and covariances of features, in float64. */
import { UserError } from "../base/errors.ts";

/** Feature vectors, one a row. */
export interface FeatureRows {
  /** [N, width], flat. */
  readonly data: Float32Array | Float64Array;
  /** The length of a vector. */
  readonly width: number;
}

/** The normal distribution that is fitted to features. */
export interface FeatureStatistics {
  /** How many vectors there were. */
  readonly count: number;
  /** [D] */
  readonly mean: Float64Array;
  /** The unbiased covariance (divided by N - 1), [D, D], flat and symmetric. */
  readonly covariance: Float64Array;
}

/**
 * The number of vectors.
 *
 * @throws {RangeError} If the data does not make whole rows.
 */
export function countRows({ data, width }: FeatureRows): number {
  const count = data.length / width;
  if (!Number.isInteger(count)) {
    throw new RangeError(`${data.length} numbers do not make rows of ${width}`);
  }
  return count;
}

/**
 * Checks that two sets of features can be compared.
 *
 * @param least Vectors that either must have.
 * @throws {UserError} If their widths differ, one has too few vectors, or a value is not finite.
 */
export function checkComparable(a: FeatureRows, b: FeatureRows, least: number): void {
  if (a.width !== b.width) {
    throw new UserError(
      `features of length ${a.width} cannot be compared with features of length ${b.width}`,
    );
  }
  for (const rows of [a, b]) {
    const count = countRows(rows);
    if (count < least) {
      throw new UserError(`at least ${least} samples are needed to compare features, not ${count}`);
    }
    const bad = rows.data.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0) {
      throw new UserError(
        `feature ${bad % rows.width} of sample ${Math.floor(bad / rows.width)} is ${
          rows.data[bad]
        }, no finite number`,
      );
    }
  }
}

/**
 * Mean and unbiased covariance of feature vectors. The mean is taken off first, so that no digits are
 * lost where it is large.
 *
 * @throws {UserError} For fewer than two vectors, or a value that is no finite number.
 */
export function featureStatistics(rows: FeatureRows): FeatureStatistics {
  checkComparable(rows, rows, 2);
  const { data, width } = rows;
  const count = countRows(rows);
  const mean = new Float64Array(width);
  for (let i = 0; i < data.length; i++) mean[i % width]! += data[i]!;
  for (let j = 0; j < width; j++) mean[j]! /= count;
  const covariance = new Float64Array(width * width);
  const centred = new Float64Array(width);
  for (let row = 0; row < count; row++) {
    for (let j = 0; j < width; j++) centred[j] = data[row * width + j]! - mean[j]!;
    // The upper triangle; the lower is its mirror image.
    for (let i = 0; i < width; i++) {
      const value = centred[i]!;
      if (value === 0) continue;
      const start = i * width;
      for (let j = i; j < width; j++) covariance[start + j]! += value * centred[j]!;
    }
  }
  for (let i = 0; i < width; i++) {
    for (let j = i; j < width; j++) {
      covariance[i * width + j]! /= count - 1;
      covariance[j * width + i] = covariance[i * width + j]!;
    }
  }
  return { count, mean, covariance };
}
