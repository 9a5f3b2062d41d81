/**
 * Measures of the diversity, repetition and memorisation of texts. Words are separated by white space, as
 * in PLANNER (Zhang et al. 2023, arXiv:2306.02531). LD4LG (Lovelace et al. 2022, arXiv:2212.09462) uses
 * spaCy's words, which gives slightly different values.
 */
import { type BleuOptions, pairwiseBleu } from "./bleu.ts";
import { countNgrams, type NgramCounts, splitWords, totalCount } from "./ngrams.ts";

/**
 * Distinct-n: the number of different n-grams of words divided by the number of all (Li et al. 2016,
 * arXiv:1510.03055), 0 if no text has n words. It falls with the number of texts, so compare only sets of
 * the same size.
 */
export function distinctN(texts: readonly string[], n: number): number {
  const counts = ngramsOf(texts, n);
  return counts.size / Math.max(1, totalCount(counts));
}

/** LD4LG's diversity: the product of distinct-2, distinct-3 and distinct-4. */
export function diversity(texts: readonly string[]): number {
  return distinctN(texts, 2) * distinctN(texts, 3) * distinctN(texts, 4);
}

/**
 * The share of n-grams that occurred before in the set: 1 - distinct-n, 0 if no text has n words. PLANNER's
 * repetition has n = 4.
 */
export function repetition(texts: readonly string[], n = 4): number {
  return totalCount(ngramsOf(texts, n)) === 0 ? 0 : 1 - distinctN(texts, n);
}

/**
 * The share of the texts' n-grams that occur in the training texts, with multiplicity; 0 if no text has n
 * words. LD4LG's memorisation has n = 4; compare it with the value of held-out real texts.
 */
export function memorisation(texts: readonly string[], training: readonly string[], n = 4): number {
  const known = ngramsOf(training, n);
  const counts = ngramsOf(texts, n);
  let memorised = 0;
  for (const [ngram, count] of counts) if (known.has(ngram)) memorised += count;
  return memorised / Math.max(1, totalCount(counts));
}

/**
 * The share of the texts' words that occur nowhere in the training texts, with multiplicity; 0 without words.
 * Words are letters and apostrophes, in lower case. Generated texts should have no more than held-out real
 * ones: what is above are words that do not exist.
 */
export function unknownWords(texts: readonly string[], training: readonly string[]): number {
  const known = new Set(training.flatMap(letterWords));
  const words = texts.flatMap(letterWords);
  return words.filter((word) => !known.has(word)).length / Math.max(1, words.length);
}

function letterWords(text: string): string[] {
  return text.toLowerCase().match(/\p{L}[\p{L}\p{M}'\u2019]*/gu) ?? [];
}

/** Options of {@linkcode selfBleu}. */
export interface SelfBleuOptions extends BleuOptions {
  /** The number of texts that are compared, from the first on. @default {1000} */
  readonly limit?: number;
}

/**
 * Self-BLEU (Zhu et al. 2018, arXiv:1802.01886) by pairs, as in PLANNER: the mean BLEU of each text with
 * each other text as its reference, smoothed as in sumeval ("floor", 0.01).
 *
 * @returns From 0 to 100, lower for more diverse texts; 0 for fewer than two texts.
 */
export function selfBleu(texts: readonly string[], options: SelfBleuOptions = {}): number {
  const { limit = 1000, ...rest } = options;
  const scores = pairwiseBleu(texts.slice(0, limit), {
    smoothing: "floor",
    smoothValue: 0.01,
    ...rest,
  });
  let sum = 0;
  scores.forEach((row, i) => row.forEach((score, j) => sum += i === j ? 0 : score));
  return sum / Math.max(1, scores.length * (scores.length - 1));
}

/** The n-gram counts of all texts together; no n-gram spans two texts. */
function ngramsOf(texts: readonly string[], n: number): NgramCounts {
  const counts = new Map<string, number>();
  for (const text of texts) countNgrams(splitWords(text), n, counts);
  return counts;
}
