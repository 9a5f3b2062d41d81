/** The kernel distance. With features of a network it is KID (Binkowski et al. 2018, arXiv:1801.01401). */
import { checkComparable, countRows, type FeatureRows } from "./feature_statistics.ts";
import { eachProduct, hostProducts, type InnerProducts } from "./inner_products.ts";

/**
 * The unbiased estimate of the squared maximum mean discrepancy with the kernel (x.y / D + 1)^3, over all
 * pairs (Gretton et al. 2012, equation 3). Random subsets, as in other programs, have the same expectation
 * and more variance. Its expectation does not depend on the number of samples; it may be slightly below 0.
 *
 * @param products Computes inner products. @default float64 on the host
 * @throws {UserError} For fewer than two vectors in a set, different lengths, or a value that is not
 * finite.
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

/** The means within sets, kept because a set is often compared with several others. */
const kept = new WeakMap<FeatureRows, Promise<number>>();

/** The mean of the kernel over pairs of different vectors of a set. */
function meanWithin(rows: FeatureRows, products: InnerProducts): Promise<number> {
  const count = countRows(rows);
  const mean = kept.get(rows) ??
    kernelSum(products, rows, rows, true).then((sum) => sum / (count * (count - 1)));
  kept.set(rows, mean);
  return mean;
}

/** The sum of k(x, y) = (x.y / D + 1)^3 over all pairs of two sets, or of different vectors of one set. */
async function kernelSum(
  products: InnerProducts,
  a: FeatureRows,
  b: FeatureRows,
  skipDiagonal: boolean,
): Promise<number> {
  let sum = 0;
  await eachProduct(products, a, b, (product, i, j) => {
    if (skipDiagonal && i === j) return;
    const base = product / a.width + 1;
    sum += base * base * base;
  });
  return sum;
}
