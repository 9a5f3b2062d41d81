/** Counts of n-grams, which BLEU, ROUGE and the measures of diversity are made of. */

/** How often each n-gram occurs; a key is the n-gram's tokens with a space between them. */
export type NgramCounts = ReadonlyMap<string, number>;

/**
 * Counts a text's n-grams.
 *
 * @param tokens The text, in tokens that hold no space.
 * @param n How many tokens an n-gram has, at least 1.
 * @param into Counts to add to, for those of several texts.
 */
export function countNgrams(
  tokens: readonly string[],
  n: number,
  into: Map<string, number> = new Map(),
): Map<string, number> {
  for (let i = 0; i + n <= tokens.length; i++) {
    const ngram = tokens.slice(i, i + n).join(" ");
    into.set(ngram, (into.get(ngram) ?? 0) + 1);
  }
  return into;
}

/** The sum of the counts: how many n-grams there are. */
export function totalCount(counts: NgramCounts): number {
  let total = 0;
  for (const count of counts.values()) total += count;
  return total;
}

/** How many n-grams two texts share, each at most as often as it occurs in the one with fewer. */
export function sharedCount(a: NgramCounts, b: NgramCounts): number {
  let shared = 0;
  for (const [ngram, count] of a) shared += Math.min(count, b.get(ngram) ?? 0);
  return shared;
}

/**
 * The texts' words: what stands between white space, as Python's `str.split()` understands it, by
 * which published figures are counted.
 */
export function splitWords(text: string): string[] {
  // JavaScript's \s holds the byte-order mark, and not the separators FS to US and NEL.
  // deno-lint-ignore no-control-regex
  return text.split(/[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/)
    .filter((word) => word !== "");
}
