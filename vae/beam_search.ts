/**
 * Beam search: of all continuations of the best few beginnings, the best few are kept. A text's score
 * is its log-probability over its length, the end token included, to the power of `lengthPenalty`, as
 * transformers counts it.
 */

/** Options of {@linkcode beamSearch}. */
export interface BeamOptions {
  /** Texts at the beginning. */
  readonly batch: number;
  /** Beginnings to keep. */
  readonly beams: number;
  /** Tokens at most, the end token included. */
  readonly maxTokens: number;
  /** The token that ends a text. */
  readonly endId: number;
  /** Above 0, longer texts score better. @default 1 */
  readonly lengthPenalty?: number;
}

/** One beginning. */
interface Beam {
  readonly tokens: readonly number[];
  readonly logProbability: number;
  /** Its row in the model's batch. */
  readonly row: number;
}

/** A text with its score. */
interface Ended {
  readonly tokens: readonly number[];
  readonly score: number;
}

/**
 * Searches.
 *
 * @param options Sizes.
 * @param begin Gives the logits of the first token, for every text and beam: [batch * beams, V].
 * @param advance Moves the model's rows (row i becomes what `rows[i]` was), says a token in each, and
 * gives the logits after it.
 * @returns The best text of each, without the end token.
 */
export async function beamSearch(
  { batch, beams, maxTokens, endId, lengthPenalty = 1 }: BeamOptions,
  begin: () => Promise<Float32Array>,
  advance: (rows: readonly number[], tokens: Int32Array) => Promise<Float32Array>,
): Promise<number[][]> {
  const scoreOf = (logProbability: number, length: number) =>
    logProbability / length ** lengthPenalty;
  let running: Beam[][] = Array.from(
    { length: batch },
    (_, text) => [{ tokens: [], logProbability: 0, row: text * beams }],
  );
  const ended: Ended[][] = Array.from({ length: batch }, () => []);
  const closed = new Set<number>();
  let logits = await begin();
  for (let length = 1; length <= maxTokens; length++) {
    const size = logits.length / (batch * beams);
    running = running.map((beginnings, text) => {
      if (closed.has(text)) return beginnings;
      const candidates = beginnings
        .flatMap((beam) =>
          likeliest(beam, logits.subarray(beam.row * size, (beam.row + 1) * size), 2 * beams)
        )
        .sort((a, b) => b.logProbability - a.logProbability)
        .slice(0, 2 * beams);
      const kept: Beam[] = [];
      candidates.forEach(({ tokens, logProbability, row }, rank) => {
        if (tokens.at(-1) === endId) {
          // One that ends but is not among the best would take the place of one that goes on.
          if (rank >= beams) return;
          ended[text]!.push({
            tokens: tokens.slice(0, -1),
            score: scoreOf(logProbability, length),
          });
        } else if (kept.length < beams) kept.push({ tokens, logProbability, row });
      });
      ended[text]!.sort((a, b) => b.score - a.score).splice(beams);
      const worst = ended[text]!.length < beams ? -Infinity : ended[text]!.at(-1)!.score;
      const best = kept[0] === undefined ? -Infinity : scoreOf(kept[0].logProbability, length);
      if (worst >= best) closed.add(text);
      return kept;
    });
    if (closed.size === batch || length === maxTokens) break;
    const rows = running.flatMap((beginnings, text) =>
      Array.from({ length: beams }, (_, i) => beginnings[i]?.row ?? text * beams)
    );
    const tokens = Int32Array.from(
      running.flatMap((beginnings) =>
        Array.from({ length: beams }, (_, i) => beginnings[i]?.tokens.at(-1) ?? endId)
      ),
    );
    logits = await advance(rows, tokens);
    running = running.map((beginnings, text) =>
      beginnings.map((beam, i) => ({ ...beam, row: text * beams + i }))
    );
  }
  return running.map((beginnings, text) => {
    const cut = closed.has(text) ? [] : beginnings.map(({ tokens, logProbability }) => ({
      tokens,
      score: scoreOf(logProbability, tokens.length),
    }));
    const all = [...ended[text]!, ...cut];
    return [...all.reduce((best, other) => other.score > best.score ? other : best).tokens];
  });
}

/** The likeliest continuations of a beginning. */
function likeliest(
  { tokens, logProbability, row }: Beam,
  logits: Float32Array,
  count: number,
): Beam[] {
  const highest = logits.reduce((a, b) => Math.max(a, b), -Infinity);
  const total = logits.reduce((sum, logit) => sum + Math.exp(logit - highest), 0);
  const top: number[] = [];
  logits.forEach((logit, id) => {
    if (top.length === count && logit <= logits[top.at(-1)!]!) return;
    const place = top.findIndex((other) => logit > logits[other]!);
    top.splice(place < 0 ? top.length : place, 0, id);
    top.splice(count);
  });
  return top.map((id) => ({
    tokens: [...tokens, id],
    logProbability: logProbability + logits[id]! - highest - Math.log(total),
    row,
  }));
}
