/** The nearest training images of samples, which show whether a model has memorised them. */
import { UserError } from "../base/errors.ts";
import { checkComparable, countRows, type FeatureRows } from "./feature_statistics.ts";
import { hostProducts, type InnerProducts, productBlocks, squaredNorms } from "./inner_products.ts";
import { insertSorted } from "./arrays.ts";

/** The nearest neighbours of one vector. */
export interface Neighbours {
  /** The indices of the nearest vectors, the nearest first, [k]. */
  readonly indices: Int32Array;
  /** Their Euclidean distances, [k]. */
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
 * Finds the nearest vectors of a set by Euclidean distance.
 *
 * @param queries The vectors to find neighbours of.
 * @param candidates The vectors to find them among.
 * @returns The neighbours of each query; of equally near ones the first.
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
  const [queryNorms, norms] = [squaredNorms(queries), squaredNorms(candidates)];
  const found = Array.from(queryNorms, () => ({
    indices: new Int32Array(k).fill(-1),
    distances: new Float64Array(k).fill(Infinity),
  }));
  for await (const block of productBlocks(products, queries, candidates)) {
    for (let i = 0; i < block.rows; i++) {
      const { indices, distances } = found[block.row + i]!;
      for (let j = 0; j < block.columns; j++) {
        const product = block.values[i * block.columns + j]!;
        const squared = queryNorms[block.row + i]! + norms[block.column + j]! - 2 * product;
        // With float32 products an image's squared distance to itself may be below zero.
        const place = insertSorted(distances, Math.sqrt(Math.max(0, squared)));
        if (place < 0) continue;
        indices.copyWithin(place + 1, place);
        indices[place] = block.column + j;
      }
    }
  }
  return found;
}
