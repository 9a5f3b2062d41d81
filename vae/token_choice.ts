/** How the next token is chosen from its logits. */
import type { RandomStream } from "../nn/random.ts";

/** What is left of a distribution before a token is drawn from it. */
export interface TokenChoice {
  /** Logits are divided by it: below 1 likely tokens become likelier. @default 1 */
  readonly temperature?: number;
  /** Only so many of the likeliest are left; 0 for all. @default 0 */
  readonly topK?: number;
  /**
   * Only the likeliest are left whose probabilities add up to at least this, one at the least (nucleus
   * sampling, Holtzman et al. 2020, arXiv:1904.09751). @default 1
   */
  readonly topP?: number;
  /**
   * A token that keeps the probability it has without the three: the end of a text. A low temperature
   * would have it come too soon, where every next word is unlikely, since there are so many.
   */
  readonly keptId?: number;
}

/**
 * The probabilities of tokens, in the order in which transformers applies the three: temperature, top k,
 * top p.
 *
 * @param logits [V]
 * @returns [V], 0 for tokens that are not left.
 * @throws {RangeError} If an option is out of range.
 */
export function tokenProbabilities(
  logits: Float32Array,
  { temperature = 1, topK = 0, topP = 1, keptId }: TokenChoice = {},
): Float64Array {
  if (keptId !== undefined) return keepProbability(logits, keptId, { temperature, topK, topP });
  if (!(temperature > 0)) throw new RangeError(`temperature must be above 0, not ${temperature}`);
  if (!(Number.isInteger(topK) && topK >= 0)) {
    throw new RangeError(`topK must be a whole number from 0, not ${topK}`);
  }
  if (!(topP > 0 && topP <= 1)) throw new RangeError(`topP must be in (0, 1], not ${topP}`);
  const order = Array.from(logits.keys()).sort((a, b) => logits[b]! - logits[a]! || a - b);
  const kept = topK > 0 ? order.slice(0, topK) : order;
  const highest = logits[order[0]!]!;
  const weights = kept.map((id) => Math.exp((logits[id]! - highest) / temperature));
  const total = weights.reduce((a, b) => a + b, 0);
  const probabilities = new Float64Array(logits.length);
  let [before, left] = [0, 0];
  kept.forEach((id, i) => {
    if (before >= topP && i > 0) return;
    before += weights[i]! / total;
    probabilities[id] = weights[i]!;
    left += weights[i]!;
  });
  return probabilities.map((weight) => weight / left);
}

/** The probabilities of the others are those that they have without it, times what it leaves. */
function keepProbability(logits: Float32Array, id: number, choice: TokenChoice): Float64Array {
  const own = 1 / logits.reduce((sum, logit) => sum + Math.exp(logit - logits[id]!), 0);
  const others = logits.slice();
  others[id] = -Infinity;
  const probabilities = tokenProbabilities(others, choice).map((value) => value * (1 - own));
  probabilities[id] = own;
  return probabilities;
}

/** Draws a token. @param logits [V] */
export function drawToken(
  logits: Float32Array,
  choice: TokenChoice,
  random: RandomStream,
): number {
  const probabilities = tokenProbabilities(logits, choice);
  let rest = random.next();
  let last = 0;
  for (const [id, probability] of probabilities.entries()) {
    if (probability === 0) continue;
    last = id;
    rest -= probability;
    if (rest < 0) return id;
  }
  return last; // the sum was a rounding error below 1
}
