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

/** The rows and columns of a block: 8 MB of products. */
const BLOCK = 1000;

/**
 * Calls `visit` with every product of two sets of vectors, `a[i] . b[j]`, block by block, since those of
 * 10,000 and 10,000 vectors would take 800 MB.
 */
export async function eachProduct(
  products: InnerProducts,
  a: FeatureRows,
  b: FeatureRows,
  visit: (product: number, i: number, j: number) => void,
): Promise<void> {
  const [countA, countB] = [countRows(a), countRows(b)];
  const slice = ({ data, width }: FeatureRows, start: number): FeatureRows => ({
    data: data.subarray(start * width, (start + BLOCK) * width),
    width,
  });
  for (let row = 0; row < countA; row += BLOCK) {
    const rows = Math.min(BLOCK, countA - row);
    for (let column = 0; column < countB; column += BLOCK) {
      const columns = Math.min(BLOCK, countB - column);
      const values = await products(slice(a, row), slice(b, column));
      for (let i = 0; i < rows; i++) {
        for (let j = 0; j < columns; j++) visit(values[i * columns + j]!, row + i, column + j);
      }
    }
  }
}

/** Calls `visit` with the squared distance of every pair of vectors, as {@linkcode eachProduct}. */
export async function eachSquaredDistance(
  products: InnerProducts,
  a: FeatureRows,
  b: FeatureRows,
  visit: (squared: number, i: number, j: number) => void,
): Promise<void> {
  const [normsA, normsB] = [squaredNorms(a), squaredNorms(b)];
  await eachProduct(products, a, b, (product, i, j) => {
    visit(normsA[i]! + normsB[j]! - 2 * product, i, j);
  });
}

/** |v|^2 of every vector. */
function squaredNorms(rows: FeatureRows): Float64Array {
  const norms = new Float64Array(countRows(rows));
  rows.data.forEach((value, i) => norms[Math.floor(i / rows.width)]! += value ** 2);
  return norms;
}
