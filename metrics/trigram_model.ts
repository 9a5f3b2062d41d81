/**
 * A trigram language model of tokens, smoothed by Witten and Bell's interpolation (1991) down to the uniform
 * distribution. It is computed from the training texts in a moment and measures how natural texts are
 * without a large model.
 */

interface Context {
  total: number;
  readonly next: Map<number, number>;
}

/** The token before and after every text. */
const EDGE = -1;

/** A trigram language model. */
export class TrigramModel {
  readonly #contexts = new Map<string, Context>();
  readonly #outcomes: number;

  /** Counts texts, given as ids without an end token. `vocabSize` does not count the end of a text. */
  constructor(texts: Iterable<ArrayLike<number>>, vocabSize: number) {
    this.#outcomes = vocabSize + 1;
    for (const text of texts) {
      for (const [two, one, token] of trigrams(text)) {
        for (const key of [`${two} ${one}`, `${one}`, ""]) {
          let context = this.#contexts.get(key);
          if (context === undefined) {
            context = { total: 0, next: new Map() };
            this.#contexts.set(key, context);
          }
          context.total++;
          context.next.set(token, (context.next.get(token) ?? 0) + 1);
        }
      }
    }
  }

  /**
   * The probability of a token after two others; -1 is the start or end of a text.
   * P(w | h) = (c(h w) + T(h) P(w | shorter h)) / (c(h) + T(h)), where T(h) is the number of different w
   * after h.
   */
  probability(two: number, one: number, token: number): number {
    let probability = 1 / this.#outcomes;
    for (const key of ["", `${one}`, `${two} ${one}`]) {
      const context = this.#contexts.get(key);
      if (context === undefined) continue;
      const { total, next } = context;
      probability = ((next.get(token) ?? 0) + next.size * probability) / (total + next.size);
    }
    return probability;
  }

  /** exp of the mean negative log-probability of all tokens of the texts, including their ends. */
  perplexity(texts: Iterable<ArrayLike<number>>): number {
    let [sum, count] = [0, 0];
    for (const text of texts) {
      for (const [two, one, token] of trigrams(text)) {
        sum -= Math.log(this.probability(two, one, token));
        count++;
      }
    }
    return Math.exp(sum / count);
  }
}

/** Every token of a text with the two tokens before it; the last one is the end. */
function* trigrams(text: ArrayLike<number>): Generator<[number, number, number]> {
  let [two, one] = [EDGE, EDGE];
  for (let i = 0; i <= text.length; i++) {
    const token = text[i] ?? EDGE;
    yield [two, one, token];
    [two, one] = [one, token];
  }
}
