/**
 * Corrupts the encoder's input, while the clean text stays the target, so that nearby latents decode to
 * the same text (PLANNER, Zhang et al. 2023, section 3.1). Padding and special tokens never change, nor
 * does the length.
 */
import type { RandomStream } from "../nn/random.ts";

/** The kinds of corruption: see {@linkcode CorruptionOptions.kind}. */
export const CORRUPTION_KINDS = ["none", "substitute", "bert", "span"] as const;

/** How an amount varies: `fixed` for all texts, or `uniform` from 0 up to it for each text. */
export const AMOUNTS_PER_TEXT = ["fixed", "uniform"] as const;

/** Options of {@linkcode inputCorruption}. */
export interface CorruptionOptions {
  /**
   * What replaces a chosen token. `substitute`: a random token. `bert`: [MASK] in 80 % of cases, a random
   * token in 10 %, itself in 10 % (Devlin et al. 2019, section 3.1). `span`: spans of tokens, their
   * lengths Poisson-distributed as in BART (Lewis et al. 2020), become [MASK], one for each token as in
   * SpanBERT (Joshi et al. 2020), not one for each span.
   */
  readonly kind: typeof CORRUPTION_KINDS[number];
  /** The share of tokens that are chosen, in [0, 1]; 0.3 in PLANNER. */
  readonly ratio: number;
  /** `fixed`: the ratio for every text; `uniform`: each text has its own, from [0, ratio). @default fixed */
  readonly ratioPerText?: typeof AMOUNTS_PER_TEXT[number] | undefined;
  /** The size of the vocabulary: ids are below it. */
  readonly vocabSize: number;
  /** Ids that are neither chosen nor inserted: padding, [CLS] and so on. */
  readonly specialIds: ReadonlySet<number>;
  /** The id of [MASK]; for `bert` and `span`. */
  readonly maskId?: number | undefined;
  /** The mean length of a span before it is cut at the text's ends. @default 3 */
  readonly meanSpanLength?: number | undefined;
}

/** Corrupts one text [T]: a function of the ids and the stream alone. Returns a new array [T]. */
export type Corruption = (ids: Int32Array, random: RandomStream) => Int32Array;

/**
 * Makes a corruption. It chooses the same tokens whether or not a text is padded.
 *
 * @throws {RangeError} If the ratio or the span length is out of range, [MASK] is needed and missing, or
 * all ids are special.
 */
export function inputCorruption(options: CorruptionOptions): Corruption {
  const { kind, ratio, ratioPerText = "fixed", maskId, meanSpanLength = 3 } = options;
  if (!(ratio >= 0 && ratio <= 1)) throw new RangeError(`ratio must be in [0, 1], not ${ratio}`);
  if (!(meanSpanLength > 0 && meanSpanLength <= 100)) {
    throw new RangeError(`meanSpanLength must be in (0, 100], not ${meanSpanLength}`);
  }
  if (kind === "none") return (ids) => Int32Array.from(ids);
  const mask = maskId ?? -1;
  if (kind !== "substitute" && maskId === undefined) {
    throw new RangeError(`the corruption "${kind}" needs the id of [MASK]`);
  }
  const ordinary = ordinaryIds(options);
  const substitute = (random: RandomStream) =>
    ordinary[Math.floor(random.next() * ordinary.length)]!;
  const corruptToken = (id: number, random: RandomStream) => {
    if (kind === "substitute") return substitute(random);
    const chance = random.next();
    return chance < 0.8 ? mask : chance < 0.9 ? substitute(random) : id;
  };
  return (ids, random) => {
    const result = Int32Array.from(ids);
    const positions = Array.from(ids.keys()).filter((i) => !options.specialIds.has(ids[i]!));
    const share = ratioPerText === "uniform" ? ratio * random.next() : ratio;
    if (kind === "span") {
      for (const i of spanPositions(positions, share, meanSpanLength, random)) result[i] = mask;
    } else {
      for (const i of positions) {
        if (random.next() < share) result[i] = corruptToken(ids[i]!, random);
      }
    }
    return result;
  };
}

/** The ids that may replace another one, ascending. */
export function ordinaryIds(
  { vocabSize, specialIds }: Pick<CorruptionOptions, "vocabSize" | "specialIds">,
): Int32Array {
  const ids = Int32Array.from({ length: vocabSize }, (_, id) => id)
    .filter((id) => !specialIds.has(id));
  if (ids.length === 0) throw new RangeError(`all ${vocabSize} ids are special tokens`);
  return ids;
}

/**
 * The positions that spans cover, exactly `share` of all positions on average. Positions are those of
 * ordinary tokens, ascending; a span ends before a special token.
 */
function spanPositions(
  positions: readonly number[],
  share: number,
  meanLength: number,
  random: RandomStream,
): Set<number> {
  // Rounded at random, so that the average is right for short texts, too.
  const budget = Math.floor(share * positions.length + random.next());
  const covered = new Set<number>();
  for (const start of random.permutation(positions.length)) {
    if (covered.size >= budget) break;
    if (covered.has(positions[start]!)) continue;
    const wanted = Math.max(1, poisson(meanLength, random));
    for (let i = 0; i < wanted && covered.size < budget; i++) {
      const position = positions[start]! + i;
      if (positions[start + i] !== position || covered.has(position)) break;
      covered.add(position);
    }
  }
  return covered;
}

/** A sample of the Poisson distribution, by multiplying uniform numbers (Knuth 1969, 3.4.1). */
function poisson(mean: number, random: RandomStream): number {
  const limit = Math.exp(-mean);
  let count = 0;
  for (let product = random.next(); product > limit; product *= random.next()) count++;
  return count;
}
