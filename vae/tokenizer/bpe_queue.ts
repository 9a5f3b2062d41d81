/** A queue of counted pairs, the most frequent first. */

/** A pair of tokens and how often it was counted when it was pushed. */
export interface CountedPair {
  /** The pair as one number: see {@linkcode pairKey}. */
  readonly pair: number;
  /** Its count at that time. */
  readonly count: number;
}

/** Ids are below this, so that a pair of them is one safe integer. */
export const ID_LIMIT: number = 2 ** 25;

/** A pair of ids as one number; numbers compare as the pairs do, left id first. */
export function pairKey(left: number, right: number): number {
  return left * ID_LIMIT + right;
}

/** The ids of a pair: what {@linkcode pairKey} made one number of. */
export function pairIds(pair: number): [left: number, right: number] {
  return [Math.floor(pair / ID_LIMIT), pair % ID_LIMIT];
}

/** Higher counts first; at equal counts the lower pair. So the order never depends on the insertion's. */
function before(a: CountedPair, b: CountedPair): boolean {
  return a.count === b.count ? a.pair < b.pair : a.count > b.count;
}

/** A binary heap. */
export class PairQueue {
  readonly #heap: CountedPair[] = [];

  /** Adds an entry. */
  push(entry: CountedPair): void {
    const heap = this.#heap;
    let i = heap.push(entry) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!before(entry, heap[parent]!)) break;
      heap[i] = heap[parent]!;
      i = parent;
    }
    heap[i] = entry;
  }

  /** Takes the first entry out; undefined where there is none. */
  pop(): CountedPair | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
      if (!before(heap[child]!, last)) break;
      heap[i] = heap[child]!;
      i = child;
    }
    heap[i] = last;
    return first;
  }
}
