/**
 * MAUVE (Pillutla et al. 2021, arXiv:2102.01454): how near a set of generated texts is to a set of real
 * ones, by their features from a language model. Features are put into buckets by k-means; the
 * buckets' histograms P and Q are compared with their mixtures R = w P + (1 - w) Q, and the area
 * under the curve of (exp(-c KL(Q|R)), exp(-c KL(P|R))) is the figure.
 *
 * It depends on the features' model, the number of texts and that of buckets: compare only figures of
 * one setting, with some thousand texts a side. With fewer it is too high.
 */
import { kmeans } from "ml-kmeans";
import { EigenvalueDecomposition, Matrix } from "ml-matrix";
import {
  checkComparable,
  countRows,
  type FeatureRows,
  featureStatistics,
} from "./feature_statistics.ts";

/** Options of {@linkcode mauveOfHistograms}. */
export interface MauveCurveOptions {
  /** c, which spreads the figures out. @default {5} */
  readonly scalingFactor?: number;
  /** Mixtures, their weights evenly spaced. @default {25} */
  readonly mixtures?: number;
}

/** Options of {@linkcode mauve}; the defaults are those of the authors' program. */
export interface MauveOptions extends MauveCurveOptions {
  /** Buckets. @default {a tenth of the smaller set's size} */
  readonly buckets?: number;
  /** The share of the variance that the principal components keep. @default {0.9} */
  readonly explainedVariance?: number;
  /** Beginnings of k-means, of which the best result is taken. @default {5} */
  readonly restarts?: number;
  /** Iterations of k-means. @default {500} */
  readonly maxIterations?: number;
  /** Seeds the beginnings. @default {0} */
  readonly seed?: number;
}

/** KL(P|R) in nats; R is nowhere 0 where P is not. */
function divergence(p: readonly number[], r: readonly number[]): number {
  return p.reduce((sum, share, i) => share === 0 ? sum : sum + share * Math.log(share / r[i]!), 0);
}

/** The area under a falling curve, by trapezoids. */
function area(points: readonly (readonly [number, number])[]): number {
  // Points that are one above the other go from top to bottom.
  const sorted = points.toSorted((a, b) => a[0] - b[0] || b[1] - a[1]);
  return sorted.slice(1).reduce((sum, [x, y], i) => {
    const [xBefore, yBefore] = sorted[i]!;
    return sum + (x - xBefore) * (y + yBefore) / 2;
  }, 0);
}

function shares(counts: readonly number[], name: string): number[] {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (!(total > 0) || counts.some((count) => !(count >= 0))) {
    throw new RangeError(`${name} holds no counts: ${counts}`);
  }
  return counts.map((count) => count / total);
}

/**
 * MAUVE of two histograms. The figure is the authors' program's, but for equal histograms, where theirs
 * depends on how equal numbers are sorted.
 *
 * @param p Counts of one set by bucket.
 * @param q Counts of the other set by bucket.
 * @returns From near 0 to 1; 1 where the shares are equal.
 * @throws {RangeError} For histograms of different lengths or without counts.
 */
export function mauveOfHistograms(
  p: readonly number[],
  q: readonly number[],
  { scalingFactor = 5, mixtures = 25 }: MauveCurveOptions = {},
): number {
  if (p.length !== q.length) {
    throw new RangeError(`histograms of ${p.length} and of ${q.length} buckets`);
  }
  const [ofP, ofQ] = [shares(p, "p"), shares(q, "q")];
  const curve: [number, number][] = [[1, 0], [0, 1]];
  for (let i = 0; i < mixtures; i++) {
    // Not quite from 0 to 1, where KL may be infinite.
    const w = 1e-6 + (1 - 2e-6) * i / Math.max(1, mixtures - 1);
    const r = ofP.map((share, j) => w * share + (1 - w) * ofQ[j]!);
    const near = (of: readonly number[]) => Math.exp(-scalingFactor * divergence(of, r));
    curve.push([near(ofQ), near(ofP)]);
  }
  return (area(curve) + area(curve.map(([x, y]) => [y, x]))) / 2;
}

/** Vectors of length 1, [N][width]; one that is all zeros stays so. */
function unitRows({ data, width }: FeatureRows): number[][] {
  return Array.from({ length: data.length / width }, (_, i) => {
    const row = [...data.subarray(i * width, (i + 1) * width)];
    const norm = Math.hypot(...row) || 1;
    return row.map((value) => value / norm);
  });
}

/** The principal components that keep so much of the variance, [N][components]. */
function principalComponents(rows: number[][], explainedVariance: number): number[][] {
  const width = rows[0]!.length;
  const { mean, covariance } = featureStatistics({ data: Float64Array.from(rows.flat()), width });
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(
    Matrix.from1DArray(width, width, covariance as unknown as number[]),
    { assumeSymmetric: true },
  );
  // Eigenvalues ascend.
  const total = realEigenvalues.reduce((sum, value) => sum + value, 0);
  const kept: number[] = [];
  for (let i = width - 1, sum = 0; i >= 0 && sum < explainedVariance * total; i--) {
    kept.push(i);
    sum += realEigenvalues[i]!;
  }
  if (kept.length === 0) return rows.map(() => [0]); // All vectors are equal.
  const centred = new Matrix(rows).subRowVector([...mean]);
  return centred.mmul(eigenvectorMatrix.subMatrixColumn(kept)).to2DArray();
}

/**
 * MAUVE of two sets of features.
 *
 * @param real Features of real texts, [N, width]: a language model's last hidden state at the last token.
 * @param generated Features of generated texts, [M, width].
 * @throws {UserError} If the widths differ, a set has fewer than two vectors, or a value is not finite.
 * @throws {RangeError} For more buckets than vectors.
 */
export function mauve(
  real: FeatureRows,
  generated: FeatureRows,
  options: MauveOptions = {},
): number {
  checkComparable(real, generated, 2);
  const [n, m] = [countRows(real), countRows(generated)];
  const {
    buckets = Math.max(2, Math.round(Math.min(n, m) / 10)),
    explainedVariance = 0.9,
    restarts = 5,
    maxIterations = 500,
    seed = 0,
  } = options;
  if (!Number.isInteger(buckets) || buckets < 1 || buckets > n + m) {
    throw new RangeError(`${buckets} buckets for ${n + m} vectors`);
  }
  const rows = principalComponents([...unitRows(real), ...unitRows(generated)], explainedVariance);
  const results = Array.from({ length: restarts }, (_, i) => {
    const result = kmeans(rows, buckets, { seed: seed + i, maxIterations });
    const error = result.clusters.reduce((sum, bucket, row) => {
      const center = result.centroids[bucket]!;
      return sum + rows[row]!.reduce((of, value, k) => of + (value - center[k]!) ** 2, 0);
    }, 0);
    return { clusters: result.clusters, error };
  });
  const best = results.reduce((least, result) => result.error < least.error ? result : least);
  const [p, q] = [Array<number>(buckets).fill(0), Array<number>(buckets).fill(0)];
  best.clusters.forEach((bucket, row) => (row < n ? p : q)[bucket]!++);
  return mauveOfHistograms(p, q, options);
}
