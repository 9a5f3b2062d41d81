/** The kernel distance, which on features of a network is KID (Binkowski et al. 2018, arXiv:1801.01401). */
import { checkComparable, countRows, type FeatureRows } from "./feature_statistics.ts";
import { hostProducts, type InnerProducts, productBlocks } from "./inner_products.ts";

/**
 * The sum of k(x, y) = (x.y / D + 1)^3 over all pairs of two sets.
 *
 * @param skipDiagonal Whether to leave out pairs of equal numbers, as within one set.
 */
async function kernelSum(
  products: InnerProducts,
  a: FeatureRows,
  b: FeatureRows,
  skipDiagonal: boolean,
): Promise<number> {
  let sum = 0;
  for await (const { values, row, column, rows, columns } of productBlocks(products, a, b)) {
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < columns; j++) {
        if (skipDiagonal && row + i === column + j) continue;
        const base = values[i * columns + j]! / a.width + 1;
        sum += base * base * base;
      }
    }
  }
  return sum;
}

/**
 * The unbiased estimate of the squared maximum mean discrepancy with the kernel (x.y / D + 1)^3, over
 * all pairs (Gretton et al. 2012, equation 3). Drawing subsets, as others do for want of memory, has
 * the same expectation and more variance. It does not depend on the number of samples on average, and
 * may be a little below 0.
 *
 * @param products How inner products are computed. @default float64 on the host
 * @throws {UserError} For fewer than two vectors in either set, different lengths, or a value that is
 * no finite number.
 */
export async function kernelDistance(
  a: FeatureRows,
  b: FeatureRows,
  products: InnerProducts = hostProducts,
): Promise<number> {
  checkComparable(a, b, 2);
  const between = await kernelSum(products, a, b, false) / (countRows(a) * countRows(b));
  return await meanWithin(a, products) + await meanWithin(b, products) - 2 * between;
}

/** The means within sets, which are compared with others again and again. */
const kept = new WeakMap<FeatureRows, Promise<number>>();

/** The mean of the kernel over pairs of different vectors of a set. */
function meanWithin(rows: FeatureRows, products: InnerProducts): Promise<number> {
  const count = countRows(rows);
  const mean = kept.get(rows) ??
    kernelSum(products, rows, rows, true).then((sum) => sum / (count * (count - 1)));
  kept.set(rows, mean);
  return mean;
}
