/**
 * AdamW and Adamax with decoupled weight decay, clipping by the global norm, and a moving average of the
 * parameters: one step over a model's flat vectors.
 */
import type { AdamMemory, AdamRange } from "../engine/fused_adam.ts";

/** The rules that rescale a gradient. */
export const ADAM_RULES = ["adamw", "adamax"] as const;

/** Options of {@linkcode adamWStep}. */
export interface AdamWOptions {
  /** AdamW, or Adamax with AdamW's decoupled weight decay. @default {"adamw"} */
  readonly rule?: typeof ADAM_RULES[number] | undefined;
  /** Decay of the mean of gradients. @default {0.9} */
  readonly beta1?: number | undefined;
  /** Decay of the mean of their squares; of Adamax, of their largest magnitude. @default {0.999} */
  readonly beta2?: number | undefined;
  /** Added to the denominator. @default {1e-8} */
  readonly epsilon?: number | undefined;
  /** Decoupled weight decay. @default {0.01} as in PyTorch */
  readonly weightDecay?: number | undefined;
  /** The global norm to which gradients are clipped. @default {Infinity} */
  readonly maxGradNorm?: number | undefined;
}

/** What changes from step to step. */
export interface AdamWSettings {
  /** The number of the step, counted from 1. */
  readonly step: number;
  /** The learning rate. */
  readonly learningRate: number;
  /** The decay of the parameters' moving average. */
  readonly emaDecay: number;
}

/** The names of the optimizer's two vectors in a checkpoint: the mean, and the variance or the largest. */
export function adamSlots(
  { rule = "adamw" }: Pick<AdamWOptions, "rule"> = {},
): readonly ["mean", "variance" | "largest"] {
  return ["mean", rule === "adamax" ? "largest" : "variance"];
}

/**
 * Takes one step, in place. With the gradient g (clipped by `maxGradNorm / (gradNorm + 1e-6)` as in
 * PyTorch), step number t and learning rate a:
 *
 *     m = beta1 m + (1 - beta1) g
 *     v = beta2 v + (1 - beta2) g^2                    of Adamax: v = max(beta2 v, |g| + epsilon)
 *     p = (1 - a decay) p - a m' / (sqrt(v') + epsilon)          Adamax: p = ... - a m' / v
 *     average = average + (1 - emaDecay) (p - average)
 *
 * where m' = m / (1 - beta1^t) and v' = v / (1 - beta2^t) (Loshchilov and Hutter 2019, algorithm 2;
 * Kingma and Ba 2015, algorithms 1 and 2).
 *
 * @param memory The vectors, with the gradient in `memory.gradient`.
 * @param gradNorm The global norm of the whole gradient, which decides how much is clipped.
 * @param range The elements to update. @default all
 */
export function adamWStep(
  memory: AdamMemory,
  gradNorm: number,
  { step, learningRate, emaDecay }: AdamWSettings,
  { rule, maxGradNorm = Infinity, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0.01 }:
    AdamWOptions = {},
  range?: AdamRange,
): void {
  const clip = Math.min(1, maxGradNorm / (gradNorm + 1e-6));
  const adamax = rule === "adamax";
  // The bias correction of the variance is moved into the rate and epsilon: one operation less a number.
  const root = adamax ? 1 : Math.sqrt(1 - beta2 ** step);
  memory.update(
    {
      mean: beta1,
      gradient: (1 - beta1) * clip,
      variance: beta2,
      square: adamax ? clip : (1 - beta2) * clip ** 2,
      epsilon: epsilon * root,
      rate: learningRate * root / (1 - beta1 ** step),
      decay: 1 - learningRate * weightDecay,
      average: 1 - emaDecay,
    },
    range,
    adamax ? "adamax" : "adam",
  );
}
