/** Training states in memory of their own, and AdamW in float64 to compare steps with. */
import { float32, type HostArray } from "../../engine/tree.ts";
import { adamSlots, type AdamWOptions, type AdamWSettings } from "../../nn/adamw.ts";
import { type HostParameters, type ParameterSpecs, ravel } from "../../nn/parameters.ts";
import type { TrainState } from "../../training/step.ts";

const copy = ({ data, shape }: HostArray) => float32(Float32Array.from(data), shape);

/** A copy of a state, which the next step does not overwrite. */
export function copyState({ parameters, ema, optimizer }: TrainState): TrainState {
  return {
    parameters: copy(parameters),
    ema: copy(ema),
    optimizer: Object.fromEntries(
      Object.entries(optimizer).map(([name, slot]) => [name, copy(slot)]),
    ),
  };
}

/** The state before the first step. */
export function stateFrom(
  parameters: HostParameters,
  specs: ParameterSpecs,
  rule?: Pick<AdamWOptions, "rule">,
): TrainState {
  const vector = ravel(parameters, specs);
  const zeros = () => float32(new Float32Array(vector.data.length));
  return {
    parameters: copy(vector),
    ema: copy(vector),
    optimizer: Object.fromEntries(adamSlots(rule).map((slot) => [slot, zeros()])),
  };
}

/** The vectors of AdamW in float64. */
export interface AdamState {
  /** The parameters. */
  parameters: number[];
  /** Their moving average. */
  ema: number[];
  /** The mean of gradients. */
  mean: number[];
  /** The variance of gradients, or Adamax's largest magnitude. */
  second: number[];
}

/** The vectors before the first step. */
export function adamStart(parameters: ArrayLike<number>): AdamState {
  const values = Array.from(parameters);
  const zeros = () => values.map(() => 0);
  return { parameters: values, ema: [...values], mean: zeros(), second: zeros() };
}

/**
 * A step of AdamW, or of Adamax with decoupled weight decay, as in PyTorch's documentation: gradients are
 * clipped, weights decay, then the bias-corrected mean is divided.
 */
export function adamInFloat64(
  state: AdamState,
  gradient: ArrayLike<number>,
  { step, learningRate, emaDecay }: AdamWSettings,
  options: AdamWOptions = {},
): AdamState {
  const { rule = "adamw", maxGradNorm = Infinity, weightDecay = 0.01 } = options;
  const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 } = options;
  const norm = Math.hypot(...Array.from(gradient));
  const clipped = Array.from(gradient, (g) => norm > maxGradNorm ? g * maxGradNorm / norm : g);
  const mean = state.mean.map((m, i) => beta1 * m + (1 - beta1) * clipped[i]!);
  const second = state.second.map((v, i) =>
    rule === "adamax"
      ? Math.max(beta2 * v, Math.abs(clipped[i]!) + epsilon)
      : beta2 * v + (1 - beta2) * clipped[i]! ** 2
  );
  const parameters = state.parameters.map((p, i) => {
    const decayed = p - learningRate * weightDecay * p;
    const corrected = mean[i]! / (1 - beta1 ** step);
    const divisor = rule === "adamax"
      ? second[i]!
      : Math.sqrt(second[i]! / (1 - beta2 ** step)) + epsilon;
    return decayed - learningRate * corrected / divisor;
  });
  const ema = state.ema.map((e, i) => emaDecay * e + (1 - emaDecay) * parameters[i]!);
  return { parameters, ema, mean, second };
}
