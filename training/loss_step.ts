/**
 * A training step of any loss with AdamW or Adamax, for models of up to some two hundred million parameters.
 *
 * The device computes the gradients; Adam and the moving average are one pass over memory on the host,
 * where the state is kept anyway. As operations of a graph they would be a dozen passes, and their
 * results would be copied out of the device in every step.
 */
import type { Device, OnDevice } from "../engine/device.ts";
import { type AdamMemory, adamMemory, type AdamRange } from "../engine/fused_adam.ts";
import { updatesInPlace } from "../engine/in_place.ts";
import * as tf from "../engine/tf.ts";
import { float32, type HostArray } from "../engine/tree.ts";
import type { AdamWOptions } from "../nn/optimizers.ts";
import {
  countParameters,
  type HostParameters,
  type Parameters,
  type ParameterSpecs,
  unravel,
} from "../nn/parameters.ts";
import type { StepSettings, TrainState } from "./diffusion_step.ts";

/** A batch on the host: arrays by name. */
export type LossBatch = Readonly<Record<string, HostArray>>;

/** What a loss function gives: what is minimised, and other tensors worth knowing. */
export interface Loss {
  /** What gradients are taken of. */
  readonly loss: tf.Scalar;
  /** Anything else by name, such as parts of the loss. */
  readonly figures?: Readonly<Record<string, tf.Tensor>>;
}

/** A loss of parameters and a batch: a pure function. */
export type BatchLoss = (
  parameters: Parameters,
  batch: Readonly<Record<string, tf.Tensor>>,
) => Loss;

/** What a step gives. */
export interface LossStepResult {
  /** The state after it, in memory that the next step writes over. */
  readonly state: TrainState;
  /** The loss. */
  readonly loss: number;
  /** The gradients' global norm, before any clipping. */
  readonly gradNorm: number;
  /** The loss function's other tensors. */
  readonly figures: Readonly<Record<string, HostArray>>;
}

/** A compiled training step. */
export interface LossStep {
  /**
   * Takes a step.
   *
   * @param batch A batch, or parts of one: then gradients, the loss and figures are the means over the
   * parts, which need no more memory than one.
   */
  (
    state: TrainState,
    batch: LossBatch | readonly LossBatch[],
    settings: StepSettings,
  ): Promise<LossStepResult>;
  /**
   * The state before the first step, in the memory of the step: a state from elsewhere would be there
   * twice until the first step is done, which for GPT-2 is 1.5 GB.
   */
  start(parameters: HostParameters): TrainState;
  /** A state from elsewhere, copied into the memory of the step. */
  restore(given: TrainState): TrainState;
  /** Releases its graphs. */
  dispose(): Promise<void>;
}

/** Options of {@linkcode compileLossStep}. */
export interface LossStepOptions {
  /** The model's parameters. */
  readonly specs: ParameterSpecs;
  /** What is minimised. */
  readonly loss: BatchLoss;
  /** The options of nn/optimizers.ts's adamW, whose state the run is started with. */
  readonly optimizer: AdamWOptions;
  /**
   * Whether a moving average of the parameters is kept; it is by default. Without one the state's `ema`
   * is the parameters, and a fifth of the state's memory is saved.
   */
  readonly ema?: boolean;
  /**
   * What the learning rate of a parameter is multiplied by; 1 if not given. A parameter of 0 is frozen:
   * it, its moments and its average stay as they are, and its gradient is not taken.
   */
  readonly rateOf?: (name: string) => number;
}

type Inputs = {
  parameters: HostParameters;
  /** Where the gradients are to be written. */
  gradients: HostParameters;
  batch: LossBatch;
};

type Outputs = {
  gradients: HostParameters;
  loss: HostArray;
  figures: Readonly<Record<string, HostArray>>;
};

/**
 * Compiles a training step that keeps the state in memory of its own: the state that it gives back is
 * written over by the next step. One that it did not give is copied there first. A step whose
 * gradients are not finite, or too large for their squares to be, changes nothing; its `gradNorm` tells.
 *
 * @throws {UserError} If the parameters do not fit into memory.
 */
export function compileLossStep(
  device: Device,
  { specs, loss, optimizer, ema = true, rateOf = () => 1 }: LossStepOptions,
): LossStep {
  const names = Object.keys(specs).filter((name) => rateOf(name) !== 0);
  const ranges = rangesByRate(specs, rateOf);
  // Where Adam keeps its variance, Adamax keeps the largest gradient.
  const second = optimizer.rule === "adamax" ? "largest" : "variance";
  const memory = adamMemory(countParameters(specs), { average: ema });
  const state = {
    parameters: float32(memory.parameters),
    ema: float32(memory.average),
    optimizer: { mean: float32(memory.mean), [second]: float32(memory.variance) },
  };
  const parameters = unravel(state.parameters, specs);
  const all = unravel(float32(memory.gradient), specs);
  const gradients = Object.fromEntries(names.map((name) => [name, all[name]!]));

  const differentiate = ({ parameters, batch }: OnDevice<Inputs>): OnDevice<Outputs> => {
    let kept: [string, tf.Tensor][] = [];
    const { value, grads } = tf.valueAndGrads((...weights: tf.Tensor[]) => {
      const named = Object.fromEntries(names.map((name, i) => [name, weights[i]!]));
      const { loss: minimised, figures = {} } = loss({ ...parameters, ...named }, batch);
      // The scope of the gradient would dispose of them. Copies, since one may be the loss itself.
      kept = Object.entries(figures).map(([name, tensor]) => [name, tf.keep(tf.clone(tensor))]);
      return minimised;
    })(names.map((name) => parameters[name]!));
    const figures = Object.fromEntries(kept.map(([name, tensor]) => [name, tf.clone(tensor)]));
    kept.forEach(([, tensor]) => tensor.dispose());
    return {
      gradients: Object.fromEntries(names.map((name, i) => [name, grads[i]!])),
      loss: value,
      figures,
    };
  };
  const compiled = device.compile<Inputs, Outputs>(updatesInPlace(differentiate, ["gradients"]));

  const differentiated = async (batch: LossBatch) => {
    const result = await compiled({ parameters, gradients, batch });
    for (const name of names) writeOver(gradients[name]!, result.gradients[name]!);
    return { loss: result.loss.data[0]!, figures: result.figures };
  };
  let sum: Float32Array<ArrayBuffer> | undefined;
  const accumulated = async (parts: readonly LossBatch[]) => {
    sum = (sum ?? new Float32Array(memory.gradient.length)).fill(0);
    const results = [];
    for (const part of parts) {
      results.push(await differentiated(part));
      for (let i = 0; i < sum.length; i++) sum[i]! += memory.gradient[i]! / parts.length;
    }
    memory.gradient.set(sum);
    return meanResult(results);
  };

  const restore = (given: TrainState) => {
    writeOver(state.parameters, given.parameters);
    if (ema) writeOver(state.ema, given.ema);
    const { optimizer: slots } = given;
    for (const [name, slot] of Object.entries(state.optimizer)) writeOver(slot, slots[name]!);
    return state;
  };
  const step = async (
    given: TrainState,
    batch: LossBatch | readonly LossBatch[],
    settings: StepSettings,
  ) => {
    restore(given);
    const result = isParts(batch) ? await accumulated(batch) : await differentiated(batch);
    const gradNorm = normInFloat32(memory.gradientNorm());
    if (Number.isFinite(gradNorm)) {
      for (const { rate, ...range } of ranges) {
        const learningRate = rate * settings.learningRate;
        update(memory, gradNorm, { ...settings, learningRate }, optimizer, range);
      }
    }
    return { state, gradNorm, ...result };
  };
  const start = (initial: HostParameters) => {
    for (const name of Object.keys(specs)) writeOver(parameters[name]!, initial[name]!);
    if (ema) state.ema.data.set(state.parameters.data);
    for (const slot of Object.values(state.optimizer)) slot.data.fill(0);
    return state;
  };
  return Object.assign(step, { start, restore, dispose: () => compiled.dispose() });
}

/**
 * A norm, or Infinity where its square is too large for float32: Adam's squares are then, too, and would
 * turn into NaN in every weight while the norm itself, which is summed in float64, looks sound.
 */
function normInFloat32(norm: number): number {
  return Number.isFinite(Math.fround(norm * norm)) ? norm : norm * Infinity;
}

function isParts(batch: LossBatch | readonly LossBatch[]): batch is readonly LossBatch[] {
  return Array.isArray(batch);
}

/** Means over parts, figure by figure and number by number. */
function meanResult(
  parts: readonly Pick<LossStepResult, "loss" | "figures">[],
): Pick<LossStepResult, "loss" | "figures"> {
  const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  const figures = Object.entries(parts[0]?.figures ?? {}).map(([name, { data, shape }]) => {
    const means = Array.from(
      data,
      (_, i) => mean(parts.map((part) => part.figures[name]!.data[i]!)),
    );
    return [name, float32(means, [...shape])] as const;
  });
  return { loss: mean(parts.map(({ loss }) => loss)), figures: Object.fromEntries(figures) };
}

/** Neighbouring parameters of one factor, without those that are frozen. */
function rangesByRate(
  specs: ParameterSpecs,
  rateOf: (name: string) => number,
): (AdamRange & { rate: number })[] {
  const ranges: { from: number; to: number; rate: number }[] = [];
  let from = 0;
  for (const [name, { shape }] of Object.entries(specs)) {
    const to = from + shape.reduce((a, b) => a * b, 1);
    const [rate, last] = [rateOf(name), ranges.at(-1)];
    if (last?.rate === rate && last.to === from) last.to = to;
    else if (rate !== 0) ranges.push({ from, to, rate });
    from = to;
  }
  return ranges;
}

/** Copies a tensor over another, unless it lies there already. */
function writeOver(target: HostArray, source: HostArray): void {
  if (source.data !== target.data) target.data.set(source.data);
}

/** AdamW or Adamax with bias correction and clipping by the global norm: see nn/optimizers.ts. */
function update(
  memory: AdamMemory,
  gradNorm: number,
  { step, learningRate, emaDecay }: StepSettings,
  { rule, maxGradNorm = Infinity, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0.01 }:
    AdamWOptions,
  range: AdamRange,
): void {
  const clip = Math.min(1, maxGradNorm / (gradNorm + 1e-6));
  const adamax = rule === "adamax";
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
