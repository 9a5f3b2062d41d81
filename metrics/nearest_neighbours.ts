/** The nearest training images of samples, which show whether a model has memorised them. */
import { UserError } from "../base/errors.ts";
import { checkComparable, countRows, type FeatureRows } from "./feature_statistics.ts";
import { eachSquaredDistance, hostProducts, type InnerProducts } from "./inner_products.ts";
import { insertSorted } from "./arrays.ts";

/** The nearest neighbours of one vector. */
export interface Neighbours {
  /** Indices of vectors, the nearest first, [k]. */
  readonly indices: Int32Array;
  /** Euclidean distances, [k]. */
  readonly distances: Float64Array;
}

/** Options of {@linkcode nearestNeighbours}. */
export interface NeighbourOptions {
  /** The number of neighbours. @default 5 */
  readonly k?: number;
  /** Computes inner products. @default float64 on the host */
  readonly products?: InnerProducts | undefined;
}

/**
 * Finds the nearest `candidates` of every query by Euclidean distance; of equally near ones the first.
 *
 * @throws {UserError} For fewer than k candidates, different lengths, or a value that is not finite.
 */
export async function nearestNeighbours(
  queries: FeatureRows,
  candidates: FeatureRows,
  { k = 5, products = hostProducts }: NeighbourOptions = {},
): Promise<Neighbours[]> {
  checkComparable(queries, candidates, 1);
  const count = countRows(candidates);
  if (!Number.isSafeInteger(k) || k < 1 || k > count) {
    throw new UserError(`k is ${k}, but must be an integer from 1 to ${count}, the candidates`);
  }
  const found = Array.from({ length: countRows(queries) }, () => ({
    indices: new Int32Array(k).fill(-1),
    distances: new Float64Array(k).fill(Infinity),
  }));
  await eachSquaredDistance(products, queries, candidates, (squared, i, j) => {
    const { indices, distances } = found[i]!;
    // With float32 products an image's squared distance to itself may be below zero.
    const place = insertSorted(distances, Math.sqrt(Math.max(0, squared)));
    if (place < 0) return;
    indices.copyWithin(place + 1, place);
    indices[place] = j;
  });
  return found;
}
