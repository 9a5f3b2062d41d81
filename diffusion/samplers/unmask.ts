/** Samples from a masked diffusion model: all targets start as masks, and each step fills some of them. */
import { requireInteger, requireNumber, requireOneOf } from "../../base/checks.ts";
import { UserError } from "../../base/errors.ts";
import type { RandomStream } from "../../nn/random.ts";

/** Names of the orders in which masked tokens are filled. */
export const unmaskingOrders = [
  "random",
  "confidence",
  "margin",
  "entropy",
  "noisy_confidence",
] as const;
/**
 * A name of {@linkcode unmaskingOrders}. All but "random" fill the tokens first of which the network is most
 * sure: the probability of the token that was sampled (Nie et al. 2025, arXiv:2502.09992), the difference of
 * the two largest probabilities (Kim et al. 2025, arXiv:2502.06768), the least entropy, or the logarithm of
 * the first with Gumbel noise that falls to 0 (Chang et al. 2022, arXiv:2202.04200).
 */
export type UnmaskingOrder = typeof unmaskingOrders[number];

/** Predicts the tokens at all positions of a batch [B, L]: logits [B, L, V], flat. */
export type TokenDenoiser = (tokens: Int32Array) => Promise<Float32Array>;

/** Options of {@linkcode unmask}. */
export interface UnmaskOptions {
  /** The token of the mask, which is never sampled. */
  readonly maskId: number;
  /** L, the tokens of an example. */
  readonly length: number;
  /** Random numbers; example i uses `random.at(i)`, so that it does not depend on the batch. */
  readonly random: RandomStream;
  /** The index of the batch's first example. @default {0} */
  readonly first?: number | undefined;
  /** Steps. More than there are masks are not taken. @default one step a mask */
  readonly steps?: number | undefined;
  /** Which masks are filled first. @default {"confidence"} */
  readonly order?: UnmaskingOrder | undefined;
  /** 0 takes the most probable token, 1 samples from the network's distribution. @default {0} */
  readonly temperature?: number | undefined;
  /** Fills blocks of this many positions one after the other (Arriola et al. 2025, arXiv:2503.09573). */
  readonly blockLength?: number | undefined;
  /**
   * Whether tokens that were filled earlier are masked again if they were less sure than what the step
   * predicts (Wang et al. 2025, arXiv:2503.00307). @default {false}
   */
  readonly remask?: boolean | undefined;
}

/** A step of {@linkcode unmask}. */
export interface UnmaskStep {
  /** The step's number, from 0. */
  readonly step: number;
  /** Tokens after the step [B, L], flat. */
  readonly tokens: Int32Array;
}

/** A position that a step may fill, or that was filled before. */
interface Candidate {
  readonly position: number;
  readonly token: number;
  /** How sure the network is, in the terms of the order. */
  readonly score: number;
}

/**
 * Fills the masks of a batch. Each step predicts all masks and keeps an equal share of them, the surest
 * first; the last step leaves no mask.
 *
 * @param denoise The model.
 * @param tokens Tokens [B, L], flat, with masks at the positions to fill; not changed.
 * @throws {UserError} If an option is out of range, or the model's output has the wrong length.
 */
export async function* unmask(
  denoise: TokenDenoiser,
  tokens: Int32Array,
  options: UnmaskOptions,
): AsyncGenerator<UnmaskStep, void, undefined> {
  checkOptions(tokens, options);
  const { maskId, length, blockLength = length, remask = false, random, first = 0 } = options;
  const rows = Array.from({ length: tokens.length / length }, (_, i) => {
    const row = Array.from(tokens.subarray(i * length, (i + 1) * length));
    return {
      start: i * length,
      random: random.at(first + i),
      targets: row.flatMap((token, position) => token === maskId ? [position] : []),
      filled: new Map<number, Candidate>(),
    };
  });
  const most = Math.max(...rows.map(({ targets }) => targets.length));
  const steps = Math.min(options.steps ?? length, most);
  const block = ({ position }: Candidate) => Math.floor(position / blockLength);
  const current = tokens.slice();
  for (let step = 0; step < steps; step++) {
    const logits = await denoise(current.slice());
    const vocabulary = logits.length / current.length;
    if (!Number.isInteger(vocabulary) || vocabulary <= maskId) {
      throw new UserError(`the model returned ${logits.length} logits for ${tokens.length} tokens`);
    }
    for (const { start, random, targets, filled } of rows) {
      const predicted = targets.filter((position) => !filled.has(position)).map((position) => {
        const at = (start + position) * vocabulary;
        const draw = random.at(step).at(position); // whatever else is masked
        const left = 1 - (step + 1) / steps;
        return { position, ...predict(logits.subarray(at, at + vocabulary), options, draw, left) };
      });
      const candidates = remask ? [...predicted, ...filled.values()] : predicted;
      candidates.sort((a, b) => block(a) - block(b) || b.score - a.score);
      const total = Math.ceil(targets.length * (step + 1) / steps); // filled after the step
      if (remask) filled.clear();
      for (const candidate of candidates.slice(0, total - filled.size)) {
        filled.set(candidate.position, candidate);
      }
      for (const position of targets) {
        current[start + position] = filled.get(position)?.token ?? maskId;
      }
    }
    yield { step, tokens: current.slice() };
  }
}

function checkOptions(tokens: Int32Array, options: UnmaskOptions): void {
  const { length, steps = length, blockLength = length, temperature = 0 } = options;
  requireInteger("length", length, 1);
  requireInteger("steps", steps, 1);
  requireInteger("blockLength", blockLength, 1);
  requireNumber("temperature", temperature, 0);
  requireOneOf("order", options.order ?? "confidence", unmaskingOrders);
  if (tokens.length === 0 || tokens.length % length !== 0) {
    throw new UserError(`${tokens.length} tokens are not examples of ${length}`);
  }
}

/** Samples a token from logits [V]. @param left The share of the steps that is left. */
function predict(
  logits: Float32Array,
  { maskId, temperature = 0, order = "confidence" }: UnmaskOptions,
  random: RandomStream,
  left: number,
): Omit<Candidate, "position"> {
  const probabilities = softmax(logits, maskId);
  const token = temperature === 0
    ? probabilities.reduce((best, p, id) => p > probabilities[best]! ? id : best, 0)
    : random.index(softmax(logits, maskId, temperature));
  return { token, score: SCORES[order](probabilities, token, random, left) };
}

/** How sure a prediction is: the higher, the earlier its token is filled. */
const SCORES: Readonly<
  Record<
    UnmaskingOrder,
    (probabilities: Float64Array, token: number, random: RandomStream, left: number) => number
  >
> = {
  random: (_, _token, random) => random.next(),
  confidence: (probabilities, token) => probabilities[token]!,
  margin: (probabilities) => {
    const [second, first] = probabilities.toSorted().slice(-2);
    return first! - second!;
  },
  entropy: (probabilities) =>
    probabilities.reduce((sum, p) => p === 0 ? sum : sum + p * Math.log(p), 0),
  noisy_confidence: (probabilities, token, random, left) => {
    const gumbel = -Math.log(-Math.log(random.next() || Number.MIN_VALUE));
    return Math.log(probabilities[token]!) + left * gumbel;
  },
};

/** The probabilities of tokens [V], none of which is a mask. */
function softmax(logits: Float32Array, maskId: number, temperature = 1): Float64Array {
  const highest = logits.reduce(
    (max, logit, id) => id === maskId ? max : Math.max(max, logit),
    -Infinity,
  );
  const weights = Float64Array.from(
    logits,
    (logit, id) => id === maskId ? 0 : Math.exp((logit - highest) / temperature),
  );
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  if (!Number.isFinite(total)) throw new UserError("the model's logits are not finite");
  return weights.map((weight) => weight / total);
}
