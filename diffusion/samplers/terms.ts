/** Weighted sums of samples. */

/** A factor and the array that it multiplies [n]. */
export type Term = readonly [factor: number, values: Float32Array];

/** The sum of the terms, a new array [n]; computed in float64 and rounded once. */
export function combine(...terms: readonly Term[]): Float32Array {
  const out = new Float32Array(terms[0]?.[1].length ?? 0);
  for (let i = 0; i < out.length; i++) {
    let sum = 0;
    for (const [factor, values] of terms) sum += factor * values[i]!;
    out[i] = sum;
  }
  return out;
}
