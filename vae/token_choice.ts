/** Sampling of the next token from its logits: temperature, top k, top p. */
import type { RandomStream } from "../nn/random.ts";

/** How a distribution of tokens is changed before a token is sampled. */
export interface TokenChoice {
  /** Logits are divided by it: below 1, likely tokens become more likely. @default 1 */
  readonly temperature?: number | undefined;
  /** Keeps only this number of the likeliest tokens; 0 keeps all. @default 0 */
  readonly topK?: number | undefined;
  /**
   * Keeps only the likeliest tokens, at least one, until their probabilities add up to at least this
   * (nucleus sampling, Holtzman et al. 2020, arXiv:1904.09751). @default 1
   */
  readonly topP?: number | undefined;
  /**
   * A token whose probability the other options do not change: the end of a text. At a low temperature
   * it would come too soon where no next word is likely, because there are so many.
   */
  readonly keptId?: number | undefined;
}

/**
 * The probabilities of tokens [V]. The options are applied in transformers' order: temperature, top k, top
 * p.
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
  let before = 0; // probability of the tokens that are likelier
  let left = 0; // weight of the tokens that are kept
  kept.forEach((id, i) => {
    if (before >= topP && i > 0) return;
    before += weights[i]! / total;
    probabilities[id] = weights[i]!;
    left += weights[i]!;
  });
  return probabilities.map((weight) => weight / left);
}

/** Applies the options to all tokens but one, and scales these to the probability that it leaves. */
function keepProbability(logits: Float32Array, id: number, choice: TokenChoice): Float64Array {
  const own = 1 / logits.reduce((sum, logit) => sum + Math.exp(logit - logits[id]!), 0);
  const others = logits.slice();
  others[id] = -Infinity;
  const probabilities = tokenProbabilities(others, choice).map((value) => value * (1 - own));
  probabilities[id] = own;
  return probabilities;
}

export function sampleToken(
  logits: Float32Array,
  choice: TokenChoice,
  random: RandomStream,
): number {
  return random.index(tokenProbabilities(logits, choice));
}
