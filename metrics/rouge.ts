/**
 * ROUGE (Lin 2004) as in the package rouge-score without a stemmer: n-grams and the longest common
 * subsequence of lower-cased words of a to z and 0 to 9; all other characters separate words. Stop words are
 * kept, unlike in sumeval, whose values PLANNER reports.
 */
import { countNgrams, sharedCount, totalCount } from "./ngrams.ts";

/** Precision, recall and their harmonic mean, each from 0 to 1. */
export interface RougeScore {
  /** The share of the hypothesis that is in the reference. */
  readonly precision: number;
  /** The share of the reference that is in the hypothesis. */
  readonly recall: number;
  /** The harmonic mean of both, which is usually reported. */
  readonly fMeasure: number;
}

/** The usual three scores. */
export interface RougeScores {
  /** Of words. */
  readonly rouge1: RougeScore;
  /** Of pairs of neighbouring words. */
  readonly rouge2: RougeScore;
  /** Of the longest common subsequence of the whole texts (not `rougeLsum`). */
  readonly rougeL: RougeScore;
}

/** Splits a text into the words that ROUGE compares. */
export function tokenizeRouge(text: string): string[] {
  return text.toLowerCase().split(/[^a-z0-9]+/).filter((word) => word !== "");
}

function rougeScore(shared: number, hypothesis: number, reference: number): RougeScore {
  const precision = shared / Math.max(1, hypothesis);
  const recall = shared / Math.max(1, reference);
  const sum = precision + recall;
  return { precision, recall, fMeasure: sum > 0 ? 2 * precision * recall / sum : 0 };
}

function rougeN(hypothesis: readonly string[], reference: readonly string[], n: number) {
  const [ours, theirs] = [countNgrams(hypothesis, n), countNgrams(reference, n)];
  return rougeScore(sharedCount(ours, theirs), totalCount(ours), totalCount(theirs));
}

/** The length of the longest sequence of elements that both contain in this order, with or without gaps. */
export function longestCommonSubsequence<T>(a: readonly T[], b: readonly T[]): number {
  // lengths[j] is the result for the elements of a so far and the first j of b.
  let lengths = new Uint32Array(b.length + 1);
  for (const element of a) {
    const next = new Uint32Array(b.length + 1);
    for (let j = 0; j < b.length; j++) {
      next[j + 1] = element === b[j] ? lengths[j]! + 1 : Math.max(lengths[j + 1]!, next[j]!);
    }
    lengths = next;
  }
  return lengths[b.length]!;
}

/** ROUGE-1, ROUGE-2 and ROUGE-L of one text, 0 for an empty one. For many texts the mean is reported. */
export function rouge(hypothesis: string, reference: string): RougeScores {
  const [ours, theirs] = [tokenizeRouge(hypothesis), tokenizeRouge(reference)];
  return {
    rouge1: rougeN(ours, theirs, 1),
    rouge2: rougeN(ours, theirs, 2),
    rougeL: rougeScore(longestCommonSubsequence(ours, theirs), ours.length, theirs.length),
  };
}
