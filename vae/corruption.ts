/**
 * Corrupts the encoder's input, with the clean text as target, so that nearby latents decode to the
 * same text (PLANNER, Zhang et al. 2023, section 3.1). Padding and special tokens are never touched,
 * and the length stays the same.
 */
import type { RandomStream } from "../nn/random.ts";

/** The kinds of corruption: see {@linkcode CorruptionOptions.kind}. */
export const CORRUPTION_KINDS = ["none", "substitute", "bert", "span"] as const;

/** How much of something a text gets: all of them the same, or up to that, drawn for each. */
export const AMOUNTS_PER_TEXT = ["fixed", "uniform"] as const;

/** Options of {@linkcode inputCorruption}. */
export interface CorruptionOptions {
  /**
   * What happens to a chosen token. `substitute`: a random token takes its place. `bert`: [MASK] in 80 %
   * of cases, a random token in 10 %, itself in 10 % (Devlin et al. 2019, section 3.1). `span`: runs of
   * tokens, their lengths Poisson-distributed as in BART (Lewis et al. 2020), become [MASK], one for each
   * token (as in SpanBERT, Joshi et al. 2020) and not one a run.
   */
  readonly kind: typeof CORRUPTION_KINDS[number];
  /** The share of tokens to choose, in [0, 1]; PLANNER's is 0.3. */
  readonly ratio: number;
  /** `fixed`: the ratio for every text; `uniform`: each text has its own, from [0, ratio). @default fixed */
  readonly ratioPerText?: typeof AMOUNTS_PER_TEXT[number];
  /** Ids are below this. */
  readonly vocabSize: number;
  /** Ids that are never chosen and never put in: padding, [CLS] and so on. */
  readonly specialIds: ReadonlySet<number>;
  /** The id of [MASK]; for `bert` and `span`. */
  readonly maskId?: number;
  /** The mean length of a span before it is cut at the text's ends. @default 3 */
  readonly meanSpanLength?: number;
}

/** Corrupts one text: a function of the ids, [T], and the stream alone. Returns a new array, [T]. */
export type Corruption = (ids: Int32Array, random: RandomStream) => Int32Array;

/**
 * Makes a corruption. Of a padded text and the bare one, the same tokens are chosen.
 *
 * @param options What to do, and how much of it.
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
    const fate = random.next();
    return fate < 0.8 ? mask : fate < 0.9 ? substitute(random) : id;
  };
  return (ids, random) => {
    const result = Int32Array.from(ids);
    const places = Array.from(ids.keys()).filter((i) => !options.specialIds.has(ids[i]!));
    const share = ratioPerText === "uniform" ? ratio * random.next() : ratio;
    if (kind === "span") {
      for (const place of spanPlaces(places, share, meanSpanLength, random)) result[place] = mask;
    } else {
      for (const place of places) {
        if (random.next() < share) result[place] = corruptToken(ids[place]!, random);
      }
    }
    return result;
  };
}

/** The ids that may take another's place, in order. */
function ordinaryIds(
  { vocabSize, specialIds }: Pick<CorruptionOptions, "vocabSize" | "specialIds">,
): Int32Array {
  const ids = Int32Array.from({ length: vocabSize }, (_, id) => id)
    .filter((id) => !specialIds.has(id));
  if (ids.length === 0) throw new RangeError(`all ${vocabSize} ids are special tokens`);
  return ids;
}

/**
 * The places that spans cover: on average, exactly the share asked for.
 *
 * @param places The places of ordinary tokens, ascending. A span ends where the next one is missing.
 */
function spanPlaces(
  places: readonly number[],
  share: number,
  meanLength: number,
  random: RandomStream,
): Set<number> {
  // Rounded at random, so that short texts get their share, too.
  const budget = Math.floor(share * places.length + random.next());
  const covered = new Set<number>();
  for (const start of random.permutation(places.length)) {
    if (covered.size >= budget) break;
    if (covered.has(places[start]!)) continue;
    const wanted = Math.max(1, poisson(meanLength, random));
    for (let i = 0; i < wanted && covered.size < budget; i++) {
      const place = places[start]! + i;
      if (places[start + i] !== place || covered.has(place)) break;
      covered.add(place);
    }
  }
  return covered;
}

/** A draw from the Poisson distribution, by multiplying uniform numbers (Knuth 1969, 3.4.1). */
function poisson(mean: number, random: RandomStream): number {
  const limit = Math.exp(-mean);
  let count = 0;
  for (let product = random.next(); product > limit; product *= random.next()) count++;
  return count;
}
