/**
 * How varied texts are, how much they repeat, and how much of them is learned by heart. Words are what
 * stands between white space, so the figures are PLANNER's (Zhang et al. 2023, arXiv:2306.02531), and
 * near LD4LG's (Lovelace et al. 2022, arXiv:2212.09462), who cut words with spaCy.
 */
import { type BleuOptions, pairwiseBleu } from "./bleu.ts";
import { countNgrams, type NgramCounts, splitWords, totalCount } from "./ngrams.ts";

/** The n-grams of all texts, counted together; none spans two texts. */
function ngramsOf(texts: readonly string[], n: number): NgramCounts {
  const counts = new Map<string, number>();
  for (const text of texts) countNgrams(splitWords(text), n, counts);
  return counts;
}

/**
 * Distinct-n: different n-grams by all n-grams of the set (Li et al. 2016, arXiv:1510.03055). It falls
 * with the number of texts, so only sets of one size compare.
 *
 * @param texts The texts.
 * @param n How many words an n-gram has.
 * @returns From 0 to 1; 0 where no text has n words.
 */
export function distinctN(texts: readonly string[], n: number): number {
  const counts = ngramsOf(texts, n);
  return counts.size / Math.max(1, totalCount(counts));
}

/**
 * The entropy of the distribution of n-grams, in nats.
 *
 * @param texts The texts.
 * @param n How many words an n-gram has.
 * @returns 0 where there is one n-gram or none; at most the logarithm of their number.
 */
export function ngramEntropy(texts: readonly string[], n: number): number {
  const counts = ngramsOf(texts, n);
  const total = totalCount(counts);
  let entropy = 0;
  for (const count of counts.values()) entropy -= count / total * Math.log(count / total);
  return entropy;
}

/** LD4LG's diversity: the product of distinct-2, distinct-3 and distinct-4. */
export function diversity(texts: readonly string[]): number {
  return distinctN(texts, 2) * distinctN(texts, 3) * distinctN(texts, 4);
}

/**
 * The share of n-grams that occurred before in the set: 1 - distinct-n. PLANNER's repetition with n = 4.
 *
 * @returns From 0 to 1; 0 where no text has n words.
 */
export function repetition(texts: readonly string[], n = 4): number {
  return totalCount(ngramsOf(texts, n)) === 0 ? 0 : 1 - distinctN(texts, n);
}

/**
 * The share of the texts' n-grams that are in the training texts, each as often as it occurs. LD4LG's
 * memorisation with n = 4; compare it with that of real texts which were held out.
 *
 * @returns From 0 to 1; 0 where no text has n words.
 */
export function memorisation(texts: readonly string[], training: readonly string[], n = 4): number {
  const known = ngramsOf(training, n);
  const counts = ngramsOf(texts, n);
  let memorised = 0;
  for (const [ngram, count] of counts) if (known.has(ngram)) memorised += count;
  return memorised / Math.max(1, totalCount(counts));
}

/** Options of {@linkcode selfBleu}: BLEU's, and how many texts. */
export interface SelfBleuOptions extends BleuOptions {
  /** Only the first so many texts are compared. @default {1000} */
  readonly limit?: number;
}

/**
 * Self-BLEU (Zhu et al. 2018, arXiv:1802.01886) by pairs, as PLANNER has it: the mean BLEU of each text
 * with each other text as its reference, smoothed as sumeval does ("floor", 0.01).
 *
 * @returns From 0 to 100, less for more variety; 0 for fewer than two texts.
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
