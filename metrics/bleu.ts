/**
 * BLEU (Papineni et al. 2002) as in sacrebleu (Post 2018, arXiv:1804.08771): the n-grams of all hypotheses
 * are counted together, tokens are those of mteval-v13a, and case matters. No npm package gives the same
 * numbers.
 */
import { areaUnder } from "./arrays.ts";
import {
  countNgrams,
  type NgramCounts,
  sharedCount,
  splitWords,
  totalCount,
  trimSpacesAtEnd,
} from "./ngrams.ts";

/**
 * The smoothing of orders without a match (Chen and Cherry 2014). "none": BLEU is 0. "floor": `smoothValue`
 * matches. "add-k": `smoothValue` is added to matches and n-grams of every order above 1. "exp": half a
 * match for the first such order, a quarter for the second, and so on.
 */
export type BleuSmoothing = "none" | "floor" | "add-k" | "exp";

/** Options of {@linkcode corpusBleu} and {@linkcode sentenceBleu}. */
export interface BleuOptions {
  /** The smoothing of orders without a match. @default {"exp"} */
  readonly smoothing?: BleuSmoothing;
  /** The value for "floor" and "add-k". @default {0.1 for "floor", 1 for "add-k"} */
  readonly smoothValue?: number;
  /** The largest n of n-grams. @default {4} */
  readonly maxOrder?: number;
  /**
   * Whether orders for which the hypotheses are too short are left out.
   * @default {false for a corpus, true for a sentence}
   */
  readonly effectiveOrder?: boolean;
  /** Whether case is ignored. @default {false} */
  readonly lowercase?: boolean;
  /** Splits a text into tokens without white space. @default {tokenize13a} */
  readonly tokenize?: (text: string) => string[];
}

/** BLEU and its components. */
export interface BleuScore {
  /** BLEU, from 0 to 100. */
  readonly score: number;
  /** The precision of each order, smoothed, from 0 to 100. */
  readonly precisions: readonly number[];
  /** The number of matched n-grams of each order. */
  readonly matches: readonly number[];
  /** The number of the hypotheses' n-grams of each order. */
  readonly totals: readonly number[];
  /** The penalty for hypotheses that are shorter than their references, from 0 to 1. */
  readonly brevityPenalty: number;
  /** The number of tokens of the hypotheses. */
  readonly hypothesisLength: number;
  /** The number of tokens of the references; of several, the one with the nearest length counts. */
  readonly referenceLength: number;
}

const SMOOTH_VALUE: Readonly<Record<BleuSmoothing, number>> = {
  none: 0,
  floor: 0.1,
  "add-k": 1,
  exp: 0,
};

/** Splits a text into tokens as NIST's mteval-v13a does for Western languages: sacrebleu's "13a". */
export function tokenize13a(text: string): string[] {
  const line = trimSpacesAtEnd(text)
    .replaceAll("<skipped>", "")
    .replaceAll("-\n", "")
    .replaceAll("\n", " ")
    .replaceAll("&quot;", '"')
    .replaceAll("&amp;", "&")
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">");
  return splitWords(
    ` ${line} `
      // Punctuation other than ' , - . is a token of its own;
      .replace(/[{-~[-` -&(-+:-@/]/g, " $& ")
      // so are a full stop and a comma, unless they stand between digits,
      .replace(/([^0-9])([.,])/g, "$1 $2 ")
      .replace(/([.,])([^0-9])/g, " $1 $2")
      // and a hyphen after a digit.
      .replace(/([0-9])(-)/g, "$1 $2 "),
  );
}

/** The n-gram counts of a text, for each order, starting with 1. */
interface Segment {
  readonly length: number;
  readonly counts: readonly NgramCounts[];
}

function segmentOf(
  text: string,
  { maxOrder = 4, lowercase = false, tokenize = tokenize13a }: BleuOptions,
): Segment {
  const tokens = tokenize(lowercase ? text.toLowerCase() : text);
  const orders = Array.from({ length: maxOrder }, (_, i) => i + 1);
  return { length: tokens.length, counts: orders.map((n) => countNgrams(tokens, n)) };
}

/** The sums over texts that BLEU is computed from. */
interface Statistics {
  readonly matches: number[];
  readonly totals: number[];
  hypothesisLength: number;
  referenceLength: number;
}

const noStatistics = (maxOrder = 4): Statistics => ({
  matches: Array(maxOrder).fill(0),
  totals: Array(maxOrder).fill(0),
  hypothesisLength: 0,
  referenceLength: 0,
});

/** The largest count of each n-gram over several references. */
function largest(counts: readonly NgramCounts[]): NgramCounts {
  if (counts.length === 1) return counts[0]!;
  const most = new Map<string, number>();
  for (const [ngram, count] of counts.flatMap((of) => [...of])) {
    most.set(ngram, Math.max(count, most.get(ngram) ?? 0));
  }
  return most;
}

function scoreOf(
  { matches, totals, hypothesisLength, referenceLength }: Statistics,
  { smoothing = "exp", smoothValue = SMOOTH_VALUE[smoothing], effectiveOrder }: BleuOptions,
): BleuScore {
  const brevityPenalty = hypothesisLength >= referenceLength
    ? 1
    : hypothesisLength === 0
    ? 0
    : Math.exp(1 - referenceLength / hypothesisLength);
  const precisions = matches.map(() => 0);
  const parts = { precisions, matches, totals, brevityPenalty, hypothesisLength, referenceLength };
  if (matches.every((count) => count === 0)) return { score: 0, ...parts };
  let orders = matches.length;
  let halved = 1;
  for (let i = 0; i < matches.length; i++) {
    const added = smoothing === "add-k" && i > 0 ? smoothValue : 0;
    const [matched, total] = [matches[i]! + added, totals[i]! + added];
    if (total === 0) break;
    if (effectiveOrder === true) orders = i + 1;
    if (matched > 0) precisions[i] = 100 * matched / total;
    else if (smoothing === "exp") precisions[i] = 100 / ((halved *= 2) * total);
    else if (smoothing === "floor") precisions[i] = 100 * smoothValue / total;
  }
  const logarithms = precisions.slice(0, orders).map(Math.log);
  const mean = logarithms.reduce((sum, logarithm) => sum + logarithm, 0) / orders;
  return { score: brevityPenalty * Math.exp(mean), ...parts };
}

/**
 * BLEU of many texts together. It is not the mean of {@linkcode sentenceBleu}.
 *
 * @param references One or several references for each hypothesis.
 * @param options sacrebleu's options, with its defaults.
 * @throws {RangeError} If the lists differ in length, or a hypothesis has no reference.
 *
 * @example
 * ```ts
 * import { corpusBleu } from "@nanodiffusion/nanodiffusion/metrics";
 *
 * const { score } = corpusBleu(["the room was small"], ["the room was small"]);
 * console.assert(Math.abs(score - 100) < 1e-9);
 * ```
 */
export function corpusBleu(
  hypotheses: readonly string[],
  references: readonly (string | readonly string[])[],
  options: BleuOptions = {},
): BleuScore {
  if (hypotheses.length !== references.length) {
    throw new RangeError(
      `${hypotheses.length} hypotheses and ${references.length} entries of references: give one entry ` +
        "per hypothesis",
    );
  }
  const statistics = noStatistics(options.maxOrder);
  hypotheses.forEach((hypothesis, i) => {
    const its = [references[i]!].flat();
    if (its.length === 0) throw new RangeError(`hypothesis ${i} has no reference`);
    const { counts, length } = segmentOf(hypothesis, options);
    const segments = its.map((reference) => segmentOf(reference, options));
    counts.forEach((of, n) => {
      const most = largest(segments.map((reference) => reference.counts[n]!));
      statistics.matches[n]! += sharedCount(of, most);
      statistics.totals[n]! += totalCount(of);
    });
    // Of two equally near lengths the shorter one counts.
    const distance = (other: number) => Math.abs(other - length);
    const [nearest] = segments.map((reference) => reference.length)
      .sort((a, b) => distance(a) - distance(b) || a - b);
    statistics.hypothesisLength += length;
    statistics.referenceLength += nearest!;
  });
  return scoreOf(statistics, options);
}

/**
 * BLEU of one text, as sacrebleu's `sentence_bleu`: as {@linkcode corpusBleu}, but with
 * `effectiveOrder`, since short texts have no long n-grams.
 */
export function sentenceBleu(
  hypothesis: string,
  references: string | readonly string[],
  options: BleuOptions = {},
): BleuScore {
  return corpusBleu([hypothesis], [references], { effectiveOrder: true, ...options });
}

/** The number of shared n-grams of one order for each pair of texts, [N, N]. */
function sharedCounts(counts: readonly NgramCounts[]): Uint32Array {
  const holders = new Map<string, { text: number; count: number }[]>();
  counts.forEach((of, text) => {
    for (const [ngram, count] of of) {
      const its = holders.get(ngram);
      if (its === undefined) holders.set(ngram, [{ text, count }]);
      else its.push({ text, count });
    }
  });
  // Most n-grams occur in one or two texts, so this is much faster than a look-up of each in every text.
  const shared = new Uint32Array(counts.length ** 2);
  for (const its of holders.values()) {
    for (const a of its) {
      for (const b of its) shared[a.text * counts.length + b.text]! += Math.min(a.count, b.count);
    }
  }
  return shared;
}

/**
 * {@linkcode sentenceBleu} of every text against every other; each text is tokenized once.
 *
 * @returns [N][N]: entry [i][j] is the score of text i with text j as its reference.
 */
export function pairwiseBleu(texts: readonly string[], options: BleuOptions = {}): number[][] {
  const segments = texts.map((text) => segmentOf(text, options));
  const orders = noStatistics(options.maxOrder).matches.keys().toArray();
  const shared = orders.map((i) => sharedCounts(segments.map(({ counts }) => counts[i]!)));
  return segments.map(({ counts, length: hypothesisLength }, i) => {
    const totals = counts.map(totalCount);
    return segments.map(({ length: referenceLength }, j) => {
      const matches = shared.map((of) => of[i * texts.length + j]!);
      const statistics = { matches, totals, hypothesisLength, referenceLength };
      return scoreOf(statistics, { effectiveOrder: true, ...options }).score;
    });
  });
}

/** BLEU after adding noise to latents, denoising them in one step and decoding them. */
export interface DenoisedBleu {
  /** The share of signal in the latents' variance, the cumulative alpha: 1 is no noise. */
  readonly alphaCumprod: number;
  /** BLEU against the clean texts, 0 to 100. */
  readonly bleu: number;
}

/**
 * AuBLEU (Zhang et al. 2023, arXiv:2306.02531, section 4.3): the area under BLEU as a function of the
 * cumulative alpha, between the smallest and the largest given alpha.
 *
 * @param points At least two, in any order.
 * @returns From 0 to 100 if the points cover [0, 1].
 * @throws {RangeError} For fewer points, or a cumulative alpha outside of [0, 1].
 */
export function areaUnderBleu(points: readonly DenoisedBleu[]): number {
  if (points.length < 2) throw new RangeError(`${points.length} points; AuBLEU needs at least 2`);
  const outside = points.find(({ alphaCumprod }) => !(alphaCumprod >= 0 && alphaCumprod <= 1));
  if (outside !== undefined) {
    throw new RangeError(`alphaCumprod is ${outside.alphaCumprod}; it must be from 0 to 1`);
  }
  const sorted = points.toSorted((a, b) => a.alphaCumprod - b.alphaCumprod);
  return areaUnder(sorted.map(({ alphaCumprod, bleu }) => [alphaCumprod, bleu]));
}
