/**
 * A language model small enough to be counted from the training texts in a moment, so that how natural
 * a text is can be measured without a large model and without a network: trigrams of tokens, smoothed
 * by Witten and Bell's interpolation (1991) down to the uniform distribution.
 */

/** Counts behind one context. */
interface Context {
  total: number;
  readonly next: Map<number, number>;
}

/** Begins and ends every text. */
const EDGE = -1;

/** The model. */
export class TrigramModel {
  readonly #contexts = new Map<string, Context>();
  readonly #outcomes: number;

  /**
   * Counts texts.
   *
   * @param texts Each text's ids, without an end token.
   * @param vocabSize Tokens that there are; a text's end is one more.
   */
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
   * The probability of a token after two others; -1 stands for a text's beginning or end.
   * P(w | h) = (c(h w) + T(h) P(w | shorter h)) / (c(h) + T(h)), T the number of different w after h.
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

  /** exp of the mean negative log-probability of all tokens of texts, their ends included. */
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

/** Every token of a text with the two before it, its end last. */
function* trigrams(text: ArrayLike<number>): Generator<[number, number, number]> {
  let [two, one] = [EDGE, EDGE];
  for (let i = 0; i <= text.length; i++) {
    const token = text[i] ?? EDGE;
    yield [two, one, token];
    [two, one] = [one, token];
  }
}
