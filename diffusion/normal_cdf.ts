/** The standard normal distribution function. */

/**
 * `(1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2`, within 3e-4 of the distribution function. It is
 * monotonic from 0 to 1 and so a distribution function itself: likelihoods by it are those of a slightly
 * different distribution, not wrong ones. Ho et al. 2020's and Nichol and Dhariwal 2021's bits per
 * dimension are computed with it.
 */
export function approximateNormalCdf(x: number): number {
  return 0.5 * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
}

/** Beyond this many deviations the continued fraction needs few terms, and the series many. */
const FRACTION_FROM = 3;

/**
 * The distribution function to float64's precision, in the lower tail also relatively.
 */
export function normalCdf(x: number): number {
  if (Number.isNaN(x)) return NaN;
  const z = Math.abs(x);
  if (z > 40) return x < 0 ? 0 : 1; // the density underflows
  const density = Math.exp(-0.5 * z * z) / Math.sqrt(2 * Math.PI);
  if (z < FRACTION_FROM) {
    // Abramowitz and Stegun 26.2.11: 1/2 + density (z + z^3 / 3 + z^5 / (3 5) + ...).
    let [sum, term] = [z, z];
    for (let k = 3; term > sum * 1e-17; k += 2) {
      term *= (z * z) / k;
      sum += term;
    }
    return x < 0 ? 0.5 - density * sum : 0.5 + density * sum;
  }
  // 26.2.14: the upper tail is density / (z + 1 / (z + 2 / (z + 3 / (z + ...)))).
  let fraction = z;
  for (let k = 120; k >= 1; k--) fraction = z + k / fraction;
  return x < 0 ? density / fraction : 1 - density / fraction;
}
