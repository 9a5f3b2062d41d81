/**
 * Learns byte-pair merges from counted words (Sennrich et al. 2016, algorithm 1): again and again, the
 * most frequent pair of neighbours becomes one token. Counts are kept up to date for the words that a
 * merge touches alone, so 20,000 reviews take seconds instead of hours.
 */
import { pairIds, pairKey, PairQueue } from "./bpe_queue.ts";

/** A word as token ids, and how often it occurs. */
export interface CountedWord {
  /** Its tokens, merged as learning goes on. */
  ids: number[];
  /** Occurrences in the corpus. */
  readonly count: number;
}

/** What {@linkcode learnMerges} is told. */
export interface MergeOptions {
  /** The tokens so far: id to text. New ones are appended. */
  readonly tokens: string[];
  /** Stop at so many tokens. */
  readonly vocabSize: number;
  /** Stop where no pair occurs so often. */
  readonly minFrequency: number;
}

/** Replaces every pair (left, right) by `merged`, from the left. */
function mergeWord(ids: readonly number[], left: number, right: number, merged: number): number[] {
  const result: number[] = [];
  for (let i = 0; i < ids.length; i++) {
    const match = ids[i] === left && ids[i + 1] === right;
    result.push(match ? merged : ids[i]!);
    if (match) i++;
  }
  return result;
}

/** The counts of neighbouring tokens, and the words where each pair may occur. */
class PairCounts {
  readonly counts = new Map<number, number>();
  readonly #places = new Map<number, number[]>();

  /** Counts a word's pairs in (`sign` 1) or out (-1). @returns The pairs. */
  count({ ids, count }: CountedWord, sign: 1 | -1): number[] {
    const pairs: number[] = [];
    for (let i = 0; i + 1 < ids.length; i++) {
      const pair = pairKey(ids[i]!, ids[i + 1]!);
      pairs.push(pair);
      const total = (this.counts.get(pair) ?? 0) + sign * count;
      if (total === 0) this.counts.delete(pair);
      else this.counts.set(pair, total);
    }
    return pairs;
  }

  /** Notes that a pair occurs in a word. */
  place(pair: number, word: number): void {
    const places = this.#places.get(pair);
    if (places === undefined) this.#places.set(pair, [word]);
    else if (places.at(-1) !== word) places.push(word);
  }

  /** The words where a pair may occur, each once, which are forgotten. */
  take(pair: number): Set<number> {
    const places = new Set(this.#places.get(pair));
    this.#places.delete(pair);
    return places;
  }
}

/**
 * Learns merges. Of pairs that occur equally often the one with the lower left id comes first, then the
 * one with the lower right id: the same words give the same merges, in whatever order they come.
 *
 * @param words The words; their ids are merged in place.
 * @param options `tokens` grows by the new tokens.
 * @returns The merges in order, as pairs of ids.
 */
export function learnMerges(
  words: readonly CountedWord[],
  { tokens, vocabSize, minFrequency }: MergeOptions,
): [number, number][] {
  const pairs = new PairCounts();
  words.forEach((word, i) => pairs.count(word, 1).forEach((pair) => pairs.place(pair, i)));
  const queue = new PairQueue();
  pairs.counts.forEach((count, pair) => queue.push({ pair, count }));
  const idOf = new Map(tokens.map((token, id) => [token, id]));
  const merges: [number, number][] = [];
  const learnt = new Set<number>();
  const least = Math.max(1, minFrequency);
  while (tokens.length < vocabSize) {
    const top = queue.pop();
    if (top === undefined) break;
    // Entries are not taken out when counts fall: a stale one goes back with the count of today.
    const count = pairs.counts.get(top.pair) ?? 0;
    if (count !== top.count) {
      if (count < top.count && count >= least) queue.push({ pair: top.pair, count });
      continue;
    }
    if (count < least) break;
    const [left, right] = pairIds(top.pair);
    const text = tokens[left]! + tokens[right]!;
    // Two ways to one text (a+bc, ab+c) are two merges to one token.
    const merged = idOf.get(text) ?? tokens.push(text) - 1;
    idOf.set(text, merged);
    if (!learnt.has(top.pair)) merges.push([left, right]);
    learnt.add(top.pair);
    const touched = new Set<number>();
    for (const index of pairs.take(top.pair)) {
      const word = words[index]!;
      const ids = mergeWord(word.ids, left, right, merged);
      if (ids.length === word.ids.length) continue;
      pairs.count(word, -1);
      word.ids = ids;
      for (const pair of pairs.count(word, 1)) {
        const [first, second] = pairIds(pair);
        if (first !== merged && second !== merged) continue;
        pairs.place(pair, index);
        touched.add(pair);
      }
    }
    // Only pairs with the merged token can have become more frequent.
    for (const pair of touched) {
      const risen = pairs.counts.get(pair);
      if (risen !== undefined) queue.push({ pair, count: risen });
    }
  }
  return merges;
}
