/** Inner products of all pairs of feature vectors, block by block. */
import { countRows, type FeatureRows } from "./feature_statistics.ts";

/** Computes a b' of a [N, D] and b [M, D]: [N, M], flat. */
export type InnerProducts = (
  a: FeatureRows,
  b: FeatureRows,
) => ArrayLike<number> | Promise<ArrayLike<number>>;

/** Inner products in float64 on the host: precise, but slow for thousands of vectors. */
export function hostProducts(a: FeatureRows, b: FeatureRows): Float64Array {
  const [rows, columns] = [countRows(a), countRows(b)];
  const { width } = a;
  const products = new Float64Array(rows * columns);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) {
      let sum = 0;
      for (let k = 0; k < width; k++) sum += a.data[i * width + k]! * b.data[j * width + k]!;
      products[i * columns + j] = sum;
    }
  }
  return products;
}

/**
 * A block of the matrix of all products: [rows, columns], flat, from vector `row` of a and `column` of b on.
 */
interface ProductBlock {
  readonly values: ArrayLike<number>;
  readonly row: number;
  readonly rows: number;
  readonly column: number;
  readonly columns: number;
}

/** The rows and columns of a block: 8 MB of products. */
const BLOCK = 1000;

function sliceRows({ data, width }: FeatureRows, start: number, end: number): FeatureRows {
  return { data: data.subarray(start * width, end * width), width };
}

/**
 * All products of two sets of vectors, block by block, since those of 10,000 and 10,000 vectors would take
 * 800 MB.
 */
export async function* productBlocks(
  products: InnerProducts,
  a: FeatureRows,
  b: FeatureRows,
): AsyncGenerator<ProductBlock, void, undefined> {
  const [countA, countB] = [countRows(a), countRows(b)];
  for (let row = 0; row < countA; row += BLOCK) {
    const partA = sliceRows(a, row, row + BLOCK);
    for (let column = 0; column < countB; column += BLOCK) {
      const partB = sliceRows(b, column, column + BLOCK);
      const values = await products(partA, partB);
      yield { values, row, column, rows: countRows(partA), columns: countRows(partB) };
    }
  }
}

/** |v|^2 of every vector. */
export function squaredNorms(rows: FeatureRows): Float64Array {
  const norms = new Float64Array(countRows(rows));
  rows.data.forEach((value, i) => norms[Math.floor(i / rows.width)]! += value ** 2);
  return norms;
}
