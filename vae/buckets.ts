/** Lengths that texts are padded to: few, so that few shapes are compiled, and close to the texts' own. */

/** The most shapes that a training run may have. */
export const MAX_BUCKETS = 6;

export interface BucketOptions {
  readonly maxBuckets?: number | undefined;
  /** Lengths are multiples of this, except for `minimum` and `maximum`. @default 8 */
  readonly multiple?: number | undefined;
  /** The greatest length of a bucket, such as the model's number of positions. @default none */
  readonly maximum?: number | undefined;
  /** The least length of a bucket, such as the number of latents. @default min(multiple, maximum) */
  readonly minimum?: number | undefined;
}

/**
 * The ascending bucket lengths that leave the least padding of all choices of at most `maxBuckets`
 * multiples, found by dynamic programming.
 */
export function bucketLengths(lengths: readonly number[], options: BucketOptions = {}): number[] {
  const { maxBuckets = MAX_BUCKETS, multiple = 8, maximum = Number.MAX_SAFE_INTEGER } = options;
  const { minimum = Math.min(multiple, maximum) } = options;
  requireWhole("maxBuckets", maxBuckets, MAX_BUCKETS);
  requireWhole("multiple", multiple);
  requireWhole("minimum", minimum);
  if (lengths.length === 0) throw new RangeError("there are no texts to make buckets for");
  const longest = lengths.reduce((a, b) => Math.max(a, b));
  if (Math.max(longest, minimum) > maximum) {
    throw new RangeError(`maximum must hold ${Math.max(longest, minimum)} tokens, not ${maximum}`);
  }
  const padded = (length: number) =>
    length <= minimum ? minimum : Math.min(maximum, Math.ceil(length / multiple) * multiple);
  const counts = new Map<number, number>();
  for (const length of lengths) {
    const size = padded(length);
    counts.set(size, (counts.get(size) ?? 0) + 1);
  }
  const sizes = [...counts.keys()].sort((a, b) => a - b);
  const below = [0]; // the number of texts in the first i sizes
  for (const size of sizes) below.push(below.at(-1)! + counts.get(size)!);
  // best[i]: the least number of tokens for the texts of sizes 0 to i, and the buckets that give it.
  let best: { cost: number; buckets: number[] }[] = sizes.map((size, i) => ({
    cost: size * below[i + 1]!,
    buckets: [size],
  }));
  for (let count = 2; count <= maxBuckets; count++) {
    best = best.map((fewer, i) => {
      let least = fewer;
      for (let j = 0; j < i; j++) {
        const cost = best[j]!.cost + sizes[i]! * (below[i + 1]! - below[j + 1]!);
        if (cost < least.cost) least = { cost, buckets: [...best[j]!.buckets, sizes[i]!] };
      }
      return least;
    });
  }
  return best.at(-1)!.buckets;
}

function requireWhole(name: string, value: number, most = Number.MAX_SAFE_INTEGER): void {
  if (Number.isInteger(value) && value >= 1 && value <= most) return;
  throw new RangeError(`${name} must be a whole number from 1 to ${most}, not ${value}`);
}
