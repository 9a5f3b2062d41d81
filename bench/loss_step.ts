/** A training step of any loss, compiled into one graph. */
import type { Device, OnDevice } from "../engine/device.ts";
import { adamUpdate } from "../engine/fused_optimizer.ts";
import { updatesInPlace } from "../engine/in_place.ts";
import * as tf from "../engine/tf.ts";
import { float32, type HostArray, scalar, sizeOf } from "../engine/tree.ts";
import { globalNorm, type Tensors } from "../nn/optimizers.ts";
import type { HostParameters, Parameters, ParameterSpecs } from "../nn/parameters.ts";

type Batch = Readonly<Record<string, HostArray>>;

/** What changes from step to step. Its arrays are written over by each step. */
export type LossState = {
  /** The parameters by name, in the shapes of {@linkcode rowsOf}. */
  readonly parameters: HostParameters;
  /** The decayed means of gradients. */
  readonly mean: HostParameters;
  /** The decayed means of their squares. */
  readonly variance: HostParameters;
};

/** About as many numbers are updated at a time: the arithmetic's operands then stay in a cache. */
const ROW = 200_000;

/** The shape [rows, columns] in which a parameter is updated row by row; its own if it is small. */
export function rowsOf(shape: readonly number[]): readonly number[] {
  const size = sizeOf(shape);
  if (size < 2 * ROW) return shape;
  for (let rows = Math.ceil(size / ROW); rows <= size; rows++) {
    if (size % rows === 0) return [rows, size / rows];
  }
  return shape;
}

/** The state before the first step. The parameters given are used as they are and written over. */
export function initLossState(parameters: HostParameters): LossState {
  const map = (fn: (data: Float32Array) => Float32Array) =>
    Object.fromEntries(
      Object.entries(parameters).map(([name, { data, shape }]) =>
        [name, float32(fn(data as Float32Array), rowsOf(shape))] as const
      ),
    );
  const zeros = (data: Float32Array) => new Float32Array(data.length);
  return { parameters: map((data) => data), mean: map(zeros), variance: map(zeros) };
}

/** A compiled training step. */
export interface LossStep {
  /** Takes a step. */
  (
    state: LossState,
    batch: Batch,
    settings: { step: number; learningRate: number },
  ): Promise<{ state: LossState; loss: number }>;
  /** Releases its graphs. */
  dispose(): Promise<void>;
}

/** Options of AdamW: see nn/optimizers.ts. */
export interface LossStepOptions {
  /** Gradients are clipped to this global norm. */
  maxGradNorm: number;
  /** Decay of the mean of gradients; 0.9 by default. */
  beta1?: number;
  /** Decay of the mean of their squares; 0.999 by default. */
  beta2?: number;
  /** Added to the denominator; 1e-8 by default. */
  epsilon?: number;
  /** Decoupled weight decay; 0.01 by default. */
  weightDecay?: number;
}

/**
 * Compiles a training step with AdamW for a model of a hundred million parameters. They stay apart,
 * unlike in the step of the diffusion models: one vector of all would be copied together and apart in
 * every step. The new state is written over the old one.
 */
export function compileLossStep(
  device: Device,
  specs: ParameterSpecs,
  loss: (parameters: Parameters, batch: Tensors) => tf.Scalar,
  options: LossStepOptions,
): LossStep {
  const { maxGradNorm, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0.01 } = options;
  type Inputs = {
    state: LossState;
    batch: Batch;
    settings: { step: HostArray; learningRate: HostArray };
  };
  type Outputs = { state: LossState; loss: HostArray };
  const names = Object.keys(specs);
  const update = ({ state, batch, settings }: OnDevice<Inputs>): OnDevice<Outputs> => {
    const { value, grads } = tf.valueAndGrads((...weights: tf.Tensor[]) =>
      loss(Object.fromEntries(names.map((name, i) => [name, weights[i]!])), batch)
    )(names.map((name) => tf.reshape(state.parameters[name]!, [...specs[name]!.shape])));
    const gradients = Object.fromEntries(names.map((name, i) => [name, grads[i]!]));
    const norm = globalNorm(gradients);
    const clip = tf.minimum(1, tf.div(maxGradNorm, tf.add(norm, 1e-6)));
    const { step, learningRate } = settings;
    const root = tf.sqrt(tf.sub(1, tf.pow(beta2, step)));
    const factors = {
      mean: tf.scalar(beta1),
      gradient: tf.mul(clip, 1 - beta1),
      variance: tf.scalar(beta2),
      square: tf.mul(tf.square(clip), 1 - beta2),
      epsilon: tf.mul(root, epsilon),
      rate: tf.mul(learningRate, tf.div(root, tf.sub(1, tf.pow(beta1, step)))),
      decay: tf.sub(1, tf.mul(learningRate, weightDecay)),
    };
    const updated = names.map((name) => {
      const parameter = state.parameters[name]!;
      const [mean, variance] = [state.mean[name]!, state.variance[name]!];
      const gradient = tf.reshape(gradients[name]!, parameter.shape);
      return [name, adamUpdate({ parameter, mean, variance }, gradient, factors)] as const;
    });
    const part = (key: "parameter" | "mean" | "variance") =>
      Object.fromEntries(updated.map(([name, tensors]) => [name, tensors[key]]));
    return {
      loss: value,
      state: { parameters: part("parameter"), mean: part("mean"), variance: part("variance") },
    };
  };
  // Clipping makes every new value depend on all gradients, and they on every use of the old values.
  const compiled = device.compile<Inputs, Outputs>(updatesInPlace(update, ["state"]));
  const run = async (
    state: LossState,
    batch: Batch,
    { step, learningRate }: { step: number; learningRate: number },
  ) => {
    const settings = { step: scalar(step), learningRate: scalar(learningRate) };
    const result = await compiled({ state, batch, settings });
    return { state: result.state, loss: result.loss.data[0]! };
  };
  return Object.assign(run, { dispose: () => compiled.dispose() });
}
