/**
 * A training step: the device computes loss and gradients in one graph, and AdamW and the moving average
 * are one pass over memory on the host, where the state is kept. As operations of a graph they would be
 * a dozen passes, and the new state would be copied out of the device at every step.
 */
import type { Device, OnDevice } from "../engine/device.ts";
import { adamMemory, type AdamRange } from "../engine/fused_adam.ts";
import { updatesInPlace } from "../engine/memory.ts";
import * as tf from "../engine/tf.ts";
import { type ArrayTree, float32, type HostArray } from "../engine/tree.ts";
import { adamSlots, type AdamWOptions, type AdamWSettings, adamWStep } from "../nn/adamw.ts";
import {
  countParameters,
  type HostParameters,
  type Parameters,
  type ParameterSpecs,
  unravel,
} from "../nn/parameters.ts";

/** What changes from step to step, each part one vector over all parameters. */
export interface TrainState {
  /** The parameters. */
  readonly parameters: HostArray;
  /** Their exponential moving average. */
  readonly ema: HostArray;
  /** The optimizer's vectors by name. */
  readonly optimizer: Readonly<Record<string, HostArray>>;
}

/** The result of a loss function. */
export interface Loss<Figure extends string = string> {
  /** The scalar that is minimised. */
  readonly loss: tf.Scalar;
  /** Further tensors to log, such as parts of the loss. */
  readonly figures?: Readonly<Record<Figure, tf.Tensor>>;
}

/** A loss of parameters and a batch: a pure function. */
export type BatchLoss<Batch, Figure extends string = string> = (
  parameters: Parameters,
  batch: OnDevice<Batch>,
) => Loss<Figure>;

/** The result of a step. */
export interface StepResult<Figure extends string = string> {
  /** The state after the step, in memory that the next step overwrites. */
  readonly state: TrainState;
  /** The loss. */
  readonly loss: number;
  /** The global norm of the gradients before clipping. Not finite if the step was skipped. */
  readonly gradNorm: number;
  /** The loss function's figures. */
  readonly figures: Readonly<Record<Figure, HostArray>>;
}

/** A compiled training step. */
export interface TrainStep<Batch, Figure extends string = string> {
  /**
   * Takes a step.
   *
   * @param batch A batch, or its parts: then gradients, loss and figures are means over the parts, which
   * need no more memory than one part.
   */
  (
    state: TrainState,
    batch: Batch | readonly Batch[],
    settings: AdamWSettings,
  ): Promise<StepResult<Figure>>;
  /** The state before the first step, in the step's own memory. */
  start(parameters: HostParameters): TrainState;
  /** Copies a state, such as a checkpoint's, into the step's own memory. */
  restore(state: TrainState): TrainState;
  /** Releases the graphs. */
  dispose(): Promise<void>;
}

/** Options of {@linkcode compileTrainStep}. */
export interface TrainStepOptions<Batch, Figure extends string = string> {
  /** The model's parameters. */
  readonly specs: ParameterSpecs;
  /** The loss to minimise. */
  readonly loss: BatchLoss<Batch, Figure>;
  /** Options of AdamW. */
  readonly optimizer: AdamWOptions;
  /**
   * Whether to keep a moving average of the parameters. Without one the state's `ema` is the parameters,
   * and a fifth of the state's memory is saved. @default {true}
   */
  readonly ema?: boolean | undefined;
  /**
   * A factor of the learning rate for each parameter. A parameter with factor 0 is frozen: it stays as it
   * is, and its gradient is not computed. @default 1 for all
   */
  readonly rateOf?: ((name: string) => number) | undefined;
}

/** `gradients` is memory that the graph's results are written to. */
type Inputs<Batch> = { parameters: HostParameters; gradients: HostParameters; batch: Batch };

type Outputs<Figure extends string> = {
  gradients: HostParameters;
  loss: HostArray;
  figures: Readonly<Record<Figure, HostArray>>;
};

/**
 * Compiles a training step. The state that a step returns is overwritten by the next one; a state that
 * the step did not return is copied first. A step whose gradients are not finite, or so large that their
 * squares are not, changes nothing: its `gradNorm` shows it.
 *
 * @throws {UserError} If the parameters do not fit into memory.
 *
 * {@linkcode train} has an example. A single step is
 * `await step(state, batch, { step: 1, learningRate: 1e-3, emaDecay: 0.999 })`.
 */
export function compileTrainStep<Batch extends ArrayTree, Figure extends string>(
  device: Device,
  options: TrainStepOptions<Batch, Figure>,
): TrainStep<Batch, Figure> {
  const { specs, loss, optimizer, ema = true, rateOf = () => 1 } = options;
  const names = Object.keys(specs).filter((name) => rateOf(name) !== 0);
  const ranges = rangesByRate(specs, rateOf);
  const memory = adamMemory(countParameters(specs), { average: ema });
  const [mean, second] = adamSlots(optimizer);
  const state: TrainState = {
    parameters: float32(memory.parameters),
    ema: float32(memory.average),
    optimizer: { [mean]: float32(memory.mean), [second]: float32(memory.variance) },
  };
  const parameters = unravel(state.parameters, specs);
  const all = unravel(float32(memory.gradient), specs);
  const gradients = Object.fromEntries(names.map((name) => [name, all[name]!]));
  const compiled = device.compile<Inputs<Batch>, Outputs<Figure>>(
    updatesInPlace(lossAndGradients(names, loss), ["gradients"]),
  );

  const differentiate = async (batch: Batch) => {
    const result = await compiled({ parameters, gradients, batch });
    for (const name of names) writeOver(gradients[name]!, result.gradients[name]!);
    return { loss: result.loss.data[0]!, figures: result.figures };
  };
  let sum: Float32Array<ArrayBuffer> | undefined;
  const accumulate = async (parts: readonly Batch[]) => {
    sum = (sum ?? new Float32Array(memory.gradient.length)).fill(0);
    const results = [];
    for (const part of parts) {
      results.push(await differentiate(part));
      for (let i = 0; i < sum.length; i++) sum[i]! += memory.gradient[i]! / parts.length;
    }
    memory.gradient.set(sum);
    return meanResult(results);
  };

  const restore = (given: TrainState) => {
    writeOver(state.parameters, given.parameters);
    if (ema) writeOver(state.ema, given.ema);
    for (const [name, slot] of Object.entries(state.optimizer)) {
      writeOver(slot, given.optimizer[name]!);
    }
    return state;
  };
  const start = (initial: HostParameters) => {
    for (const name of Object.keys(specs)) writeOver(parameters[name]!, initial[name]!);
    if (ema) state.ema.data.set(state.parameters.data);
    for (const slot of Object.values(state.optimizer)) slot.data.fill(0);
    return state;
  };
  const step = async (
    given: TrainState,
    batch: Batch | readonly Batch[],
    settings: AdamWSettings,
  ) => {
    restore(given);
    const result = isParts(batch) ? await accumulate(batch) : await differentiate(batch);
    const gradNorm = normInFloat32(memory.gradientNorm());
    if (Number.isFinite(gradNorm)) {
      for (const { rate, ...range } of ranges) {
        const learningRate = rate * settings.learningRate;
        adamWStep(memory, gradNorm, { ...settings, learningRate }, optimizer, range);
      }
    }
    return { state, gradNorm, ...result };
  };
  return Object.assign(step, { start, restore, dispose: () => compiled.dispose() });
}

/** The function that is traced. */
function lossAndGradients<Batch, Figure extends string>(
  names: readonly string[],
  loss: BatchLoss<Batch, Figure>,
): (inputs: OnDevice<Inputs<Batch>>) => OnDevice<Outputs<Figure>> {
  return (inputs) => {
    const { parameters, batch } = inputs as { parameters: Parameters; batch: OnDevice<Batch> };
    let kept: [string, tf.Tensor][] = [];
    const { value, grads } = tf.valueAndGrads((...weights: tf.Tensor[]) => {
      const named = Object.fromEntries(names.map((name, i) => [name, weights[i]!]));
      const { loss: minimised, figures = {} } = loss({ ...parameters, ...named }, batch);
      // The gradient's scope disposes of its tensors. A figure may be the loss itself: hence the copy.
      kept = Object.entries<tf.Tensor>(figures).map((
        [name, tensor],
      ) => [name, tf.keep(tf.clone(tensor))]);
      return minimised;
    })(names.map((name) => parameters[name]!));
    const figures = Object.fromEntries(kept.map(([name, tensor]) => [name, tf.clone(tensor)]));
    kept.forEach(([, tensor]) => tensor.dispose());
    const gradients = Object.fromEntries(names.map((name, i) => [name, grads[i]!]));
    return { gradients, loss: value, figures } as OnDevice<Outputs<Figure>>;
  };
}

/**
 * The norm, or Infinity if its square exceeds float32. Adam's squares would then overflow as well, and turn
 * every weight into NaN, although the norm itself, summed in float64, is finite.
 */
function normInFloat32(norm: number): number {
  return Number.isFinite(Math.fround(norm * norm)) ? norm : norm * Infinity;
}

function isParts<Batch>(batch: Batch | readonly Batch[]): batch is readonly Batch[] {
  return Array.isArray(batch);
}

/** Means over parts, figure by figure and element by element. */
function meanResult<Figure extends string>(
  parts: readonly Pick<StepResult<Figure>, "loss" | "figures">[],
): Pick<StepResult<Figure>, "loss" | "figures"> {
  const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  const first = Object.entries<HostArray>(parts[0]!.figures) as [Figure, HostArray][];
  const figures = first.map(([name, { data, shape }]) => {
    const means = Array.from(
      data,
      (_, i) => mean(parts.map((part) => part.figures[name].data[i]!)),
    );
    return [name, float32(means, [...shape])] as const;
  });
  return {
    loss: mean(parts.map(({ loss }) => loss)),
    figures: Object.fromEntries(figures) as Record<Figure, HostArray>,
  };
}

/** Ranges of neighbouring parameters that share a factor of the learning rate; frozen ones are left out. */
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

/** Copies a tensor over another, unless they share their memory. */
function writeOver(target: HostArray, source: HostArray): void {
  if (source.data !== target.data) target.data.set(source.data);
}
