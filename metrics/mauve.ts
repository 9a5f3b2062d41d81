/**
 * MAUVE (Pillutla et al. 2021, arXiv:2102.01454): the similarity of generated and real texts by features of
 * a language model. k-means sorts the features into buckets. The buckets' histograms P and Q are compared
 * with their mixtures R = w P + (1 - w) Q; MAUVE is the area under the curve of
 * (exp(-c KL(Q|R)), exp(-c KL(P|R))).
 *
 * It depends on the language model, the number of texts and the number of buckets, so compare only values
 * of the same setting, with some thousand texts per set. With fewer texts it is too high.
 */
import { kmeans } from "ml-kmeans";
import { EigenvalueDecomposition, Matrix } from "ml-matrix";
import { areaUnder } from "./arrays.ts";
import {
  checkComparable,
  countRows,
  type FeatureRows,
  featureStatistics,
} from "./feature_statistics.ts";

/** Options of {@linkcode mauveOfHistograms}. */
export interface MauveCurveOptions {
  /** c, which spreads the values out. @default {5} */
  readonly scalingFactor?: number;
  /** The number of mixtures; their weights are evenly spaced. @default {25} */
  readonly mixtures?: number;
}

/** Options of {@linkcode mauve}; the defaults are those of the authors' program. */
export interface MauveOptions extends MauveCurveOptions {
  /** The number of buckets. @default {a tenth of the smaller set's size} */
  readonly buckets?: number;
  /** The share of the variance that the principal components keep. @default {0.9} */
  readonly explainedVariance?: number;
  /** The number of runs of k-means; the best result is used. @default {5} */
  readonly restarts?: number;
  /** The largest number of iterations of k-means. @default {500} */
  readonly maxIterations?: number;
  /** The seed of the first run; each further run adds 1. @default {0} */
  readonly seed?: number;
}

/**
 * MAUVE of two histograms (counts by bucket) as the authors' program computes it: from near 0 to 1. For
 * equal histograms their result depends on how equal numbers are sorted; here it is 1.
 *
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
  const [sharesP, sharesQ] = [shares(p, "p"), shares(q, "q")];
  const curve: [number, number][] = [[1, 0], [0, 1]];
  for (let i = 0; i < mixtures; i++) {
    // Slightly inside of [0, 1], since KL may be infinite at 0 and 1.
    const w = 1e-6 + (1 - 2e-6) * i / Math.max(1, mixtures - 1);
    const r = sharesP.map((share, j) => w * share + (1 - w) * sharesQ[j]!);
    const similarity = (of: readonly number[]) => Math.exp(-scalingFactor * divergence(of, r));
    curve.push([similarity(sharesQ), similarity(sharesP)]);
  }
  return (areaUnderFalling(curve) + areaUnderFalling(curve.map(([x, y]) => [y, x]))) / 2;
}

function shares(counts: readonly number[], name: string): number[] {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (!(total > 0) || counts.some((count) => !(count >= 0))) {
    throw new RangeError(`${name} contains no counts: ${counts}`);
  }
  return counts.map((count) => count / total);
}

/** KL(P|R) in nats; R must be positive where P is. */
function divergence(p: readonly number[], r: readonly number[]): number {
  return p.reduce((sum, share, i) => share === 0 ? sum : sum + share * Math.log(share / r[i]!), 0);
}

/** Points with equal x are sorted from top to bottom. */
function areaUnderFalling(points: readonly (readonly [x: number, y: number])[]): number {
  return areaUnder(points.toSorted((a, b) => a[0] - b[0] || b[1] - a[1]));
}

/** Vectors scaled to length 1, [N][width]; zero vectors stay zero. */
function unitRows({ data, width }: FeatureRows): number[][] {
  return Array.from({ length: data.length / width }, (_, i) => {
    const row = [...data.subarray(i * width, (i + 1) * width)];
    const norm = Math.hypot(...row) || 1;
    return row.map((value) => value / norm);
  });
}

/** The coordinates of principal components that keep a share of the variance, [N][components]. */
function principalComponents(rows: number[][], explainedVariance: number): number[][] {
  const width = rows[0]!.length;
  const { mean, covariance } = featureStatistics({ data: Float64Array.from(rows.flat()), width });
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(
    Matrix.from1DArray(width, width, covariance as unknown as number[]),
    { assumeSymmetric: true },
  );
  // Eigenvalues are in rising order.
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
 * @param real Features of real texts, [N, width]: the last hidden state of a language model at the last
 * token.
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
