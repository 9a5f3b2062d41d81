/**
 * Beam search: each step extends the best few unfinished texts by all tokens, and keeps the best few of
 * the results. The score of a text is its log-probability divided by its length, the end token included,
 * to the power of `lengthPenalty`, as in transformers.
 */

/** Options of {@linkcode beamSearch}. */
export interface BeamOptions {
  /** The number of texts that are searched side by side. */
  readonly batch: number;
  /** The number of beams of each text. */
  readonly beams: number;
  /** Tokens of a text at most, the end token included. */
  readonly maxTokens: number;
  /** The token that ends a text. */
  readonly endId: number;
  /** Above 0, longer texts score better. @default 1 */
  readonly lengthPenalty?: number | undefined;
}

interface Beam {
  readonly tokens: readonly number[];
  readonly logProbability: number;
  /** Its row in the model's batch. */
  readonly row: number;
}

interface Finished {
  readonly tokens: readonly number[];
  readonly score: number;
}

/**
 * Searches for the likeliest texts, which are returned without the end token. `begin` returns the logits
 * of the first token for every text and beam [batch * beams, V]. `advance` reorders the model's rows (row
 * i becomes a copy of row `rows[i]`), appends a token to each, and returns the logits after it.
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
  const finished: Finished[][] = Array.from({ length: batch }, () => []);
  const closed = new Set<number>(); // searches that no running beam can improve
  let logits = await begin();
  for (let length = 1; length <= maxTokens; length++) {
    const size = logits.length / (batch * beams);
    running = running.map((current, text) => {
      if (closed.has(text)) return current;
      const candidates = current
        .flatMap((beam) =>
          likeliest(beam, logits.subarray(beam.row * size, (beam.row + 1) * size), 2 * beams)
        )
        .sort((a, b) => b.logProbability - a.logProbability)
        .slice(0, 2 * beams);
      const kept: Beam[] = [];
      candidates.forEach(({ tokens, logProbability, row }, rank) => {
        if (tokens.at(-1) === endId) {
          // A text that ends without being among the best `beams` candidates is dropped.
          if (rank >= beams) return;
          const score = scoreOf(logProbability, length);
          finished[text]!.push({ tokens: tokens.slice(0, -1), score });
        } else if (kept.length < beams) kept.push({ tokens, logProbability, row });
      });
      finished[text]!.sort((a, b) => b.score - a.score).splice(beams);
      const worst = finished[text]!.length < beams ? -Infinity : finished[text]!.at(-1)!.score;
      const best = kept[0] === undefined ? -Infinity : scoreOf(kept[0].logProbability, length);
      if (worst >= best) closed.add(text);
      return kept;
    });
    if (closed.size === batch || length === maxTokens) break;
    const rows = running.flatMap((current, text) =>
      Array.from({ length: beams }, (_, i) => current[i]?.row ?? text * beams)
    );
    const tokens = Int32Array.from(
      running.flatMap((current) =>
        Array.from({ length: beams }, (_, i) => current[i]?.tokens.at(-1) ?? endId)
      ),
    );
    logits = await advance(rows, tokens);
    running = running.map((current, text) =>
      current.map((beam, i) => ({ ...beam, row: text * beams + i }))
    );
  }
  return running.map((current, text) => {
    const cut = closed.has(text) ? [] : current.map(({ tokens, logProbability }) => ({
      tokens,
      score: scoreOf(logProbability, tokens.length),
    }));
    const all = [...finished[text]!, ...cut];
    return [...all.reduce((best, other) => other.score > best.score ? other : best).tokens];
  });
}

/** The `count` likeliest continuations of a text by one token, from its logits [V]. */
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
