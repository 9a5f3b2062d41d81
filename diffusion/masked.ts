/**
 * Masked diffusion of tokens (Austin et al. 2021, arXiv:2107.03006; Sahoo et al. 2024, arXiv:2406.07524).
 * At time t in (0, 1] each target token is replaced by the mask with probability t. A network predicts the
 * tokens that were masked. The tokens of a condition are never masked.
 */
import { requireInteger, requireNumber } from "../base/checks.ts";
import { UserError } from "../base/errors.ts";
import * as tf from "../engine/tf.ts";
import { float32, type HostArray, int32 } from "../engine/tree.ts";
import { crossEntropies, IGNORED_LABEL } from "../nn/cross_entropy.ts";
import type { RandomStream } from "../nn/random.ts";

/** Names of the weights of times. */
export const maskedTimeWeights = ["bound", "linear", "uniform"] as const;
/**
 * A name of {@linkcode maskedTimeWeights}: 1 / t, with which the loss is a bound of the negative log
 * likelihood (Sahoo et al. 2024); 1 - t (Ye et al. 2025, arXiv:2410.14157); or 1.
 */
export type MaskedTimeWeight = typeof maskedTimeWeights[number];

/**
 * Samples the times of a batch, evenly spread over (0, 1] (Kingma et al. 2021, arXiv:2107.00630, appendix
 * I.1). They rise cyclically, so the examples must be shuffled.
 *
 * @param count B.
 * @param numTrainTimesteps T, for times 1 / T, 2 / T, ..., 1. @default Infinity: continuous times
 * @returns [B]
 */
export function drawMaskTimes(
  random: RandomStream,
  count: number,
  numTrainTimesteps = Infinity,
): Float64Array {
  requireInteger("count", count, 1);
  const T = numTrainTimesteps;
  if (T !== Infinity) requireInteger("numTrainTimesteps", T, 1);
  const first = random.next();
  return Float64Array.from({ length: count }, (_, i) => {
    const time = 1 - (first + i / count) % 1;
    return T === Infinity ? time : Math.ceil(time * T) / T;
  });
}

/** Settings of {@linkcode maskedBatch}. */
export interface MaskedBatchOptions {
  /** Clean tokens [B, L], int32. */
  readonly tokens: HostArray;
  /** 1 for the tokens that are to be generated, 0 for conditions and padding [B, L], flat. */
  readonly targets: ArrayLike<number>;
  /** Times [B], in (0, 1]. */
  readonly times: ArrayLike<number>;
  /** The token of the mask. */
  readonly maskId: number;
  readonly random: RandomStream;
  /** How times are weighted. @default {"bound"} */
  readonly timeWeight?: MaskedTimeWeight | undefined;
}

/** A batch on the host. */
export type MaskedBatch = {
  /** Tokens, some of them masked [B, L], int32. */
  readonly inputIds: HostArray;
  /** The tokens that are masked, and IGNORED_LABEL elsewhere [B L], int32. */
  readonly labels: HostArray;
  /** The weight of each position: its time's, over the number of targets in the batch [B L]. */
  readonly weights: HostArray;
};

/**
 * Masks the tokens of a batch.
 *
 * @throws {UserError} If lengths do not match, a time is outside (0, 1], or there are no targets.
 */
export function maskedBatch(options: MaskedBatchOptions): MaskedBatch {
  const { tokens, targets, times, maskId, random, timeWeight = "bound" } = options;
  const [batch, length] = tokens.shape as [number, number];
  if (times.length !== batch || targets.length !== batch * length) {
    throw new UserError(
      `tokens are [${tokens.shape}], but there are ${times.length} times and ${targets.length} targets`,
    );
  }
  const count = Array.from(targets).filter((target) => target !== 0).length;
  if (count === 0) throw new UserError("no token is a target: there is nothing to mask");
  const chances = random.uniform(batch * length);
  const inputIds = Int32Array.from(tokens.data);
  const labels = new Int32Array(batch * length).fill(IGNORED_LABEL);
  const weights = new Float32Array(batch * length);
  for (let i = 0; i < inputIds.length; i++) {
    const time = requireNumber("time", times[Math.floor(i / length)]!, Number.MIN_VALUE, 1);
    if (targets[i] === 0 || chances[i]! >= time) continue;
    labels[i] = inputIds[i]!;
    inputIds[i] = maskId;
    weights[i] = WEIGHTS[timeWeight](time) / count;
  }
  return {
    inputIds: int32(inputIds, tokens.shape),
    labels: int32(labels),
    weights: float32(weights),
  };
}

const WEIGHTS: Readonly<Record<MaskedTimeWeight, (time: number) => number>> = {
  bound: (time) => 1 / time,
  linear: (time) => 1 - time,
  uniform: () => 1,
};

/** Weights of single tokens: alpha (1 - exp(-loss))^gamma (Ye et al. 2025). */
export interface TokenWeights {
  /** The factor, positive. @default {1} */
  readonly alpha?: number | undefined;
  /** Above 0, tokens that the network predicts well count less; at least 0. @default {0} */
  readonly gamma?: number | undefined;
}

/**
 * The loss of a batch: the weighted sum of the cross-entropies of the masked tokens. With weights "bound" and
 * gamma 0 its mean over times is at least the negative log likelihood of a target token, in nats.
 *
 * @param logits Predictions at each position [B L, V].
 * @param batch Labels [B L] and weights [B L], as {@linkcode maskedBatch} returns them.
 */
export function maskedLoss(
  logits: tf.Tensor2D,
  { labels, weights }: { readonly labels: tf.Tensor; readonly weights: tf.Tensor },
  { alpha = 1, gamma = 0 }: TokenWeights = {},
): tf.Scalar {
  const losses = crossEntropies(logits, labels as tf.Tensor1D);
  const each = gamma === 0 ? losses : tf.mul(
    // At a loss of 0 the power's gradient is not finite where gamma is below 1.
    tf.pow(tf.maximum(tf.sub(1, tf.exp(tf.neg(losses))), 1e-6), gamma),
    losses,
  );
  return tf.mul(tf.sum(tf.mul(weights, each)), alpha);
}
