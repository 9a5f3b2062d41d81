/** Counts of n-grams, for BLEU, ROUGE and measures of diversity. */

/** The number of occurrences of each n-gram; a key is the n-gram's tokens joined by spaces. */
export type NgramCounts = ReadonlyMap<string, number>;

/** Counts the n-grams of a text's tokens, which contain no spaces, and adds them to `into`. */
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

/** The number of n-grams, with multiplicity. */
export function totalCount(counts: NgramCounts): number {
  let total = 0;
  for (const count of counts.values()) total += count;
  return total;
}

/** The number of n-grams that two texts share: for each n-gram the smaller of both counts. */
export function sharedCount(a: NgramCounts, b: NgramCounts): number {
  let shared = 0;
  for (const [ngram, count] of a) shared += Math.min(count, b.get(ngram) ?? 0);
  return shared;
}

/**
 * A character of white space to Python, which published results are based on. JavaScript's \\s includes the
 * byte-order mark, but not the separators FS to US and NEL.
 */
const SPACE =
  "[\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]";
const SPACES = new RegExp(`${SPACE}+`);
const SPACES_AT_END = new RegExp(`${SPACE}+$`);

/** Splits a text at white space as Python's `str.split()` does. */
export function splitWords(text: string): string[] {
  return text.split(SPACES).filter((word) => word !== "");
}

/** Removes white space at the end as Python's `str.rstrip()` does. */
export function trimSpacesAtEnd(text: string): string {
  return text.replace(SPACES_AT_END, "");
}
