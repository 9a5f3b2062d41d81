/** Means and covariances of features, in float64. */
import { UserError } from "../base/errors.ts";

/** Feature vectors as rows. */
export interface FeatureRows {
  /** [N, width], flat. */
  readonly data: Float32Array | Float64Array;
  /** The length of a vector. */
  readonly width: number;
}

/** The mean and covariance of features. */
export interface FeatureStatistics {
  /** The number of vectors. */
  readonly count: number;
  /** [D] */
  readonly mean: Float64Array;
  /** The unbiased covariance (divided by N - 1), [D, D], flat and symmetric. */
  readonly covariance: Float64Array;
}

/** The number of vectors. @throws {RangeError} If width does not divide the data. */
export function countRows({ data, width }: FeatureRows): number {
  const count = data.length / width;
  if (!Number.isInteger(count)) {
    throw new RangeError(`${data.length} numbers do not divide into rows of ${width}`);
  }
  return count;
}

/**
 * Checks that two sets of at least `least` features can be compared.
 *
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
      const [sample, feature] = [Math.floor(bad / rows.width), bad % rows.width];
      throw new UserError(
        `feature ${feature} of sample ${sample} is ${rows.data[bad]}; it must be a finite number`,
      );
    }
  }
}

/**
 * The mean and the unbiased covariance of feature vectors. The mean is subtracted first, so that a large
 * mean does not cost precision.
 *
 * @throws {UserError} For fewer than two vectors, or a value that is not finite.
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
