/**
 * Optimizers as composable transforms of gradients, after optax: each turns gradients and its state
 * into updates and a new state, `chain` puts several in a row, and what comes out is added to the
 * parameters. Everything is a pure function of tensors, so that a whole training step compiles into
 * one graph.
 */
import * as tf from "../engine/tf.ts";

/** Tensors by name: parameters, gradients or updates. */
export type Tensors = Readonly<Record<string, tf.Tensor>>;

/** A transform's state: records of tensors as the parameters are, by what they hold. */
export type OptimizerState = Readonly<Record<string, Tensors>>;

/** What is known about a step besides the gradients. */
export interface StepInfo {
  /** The parameters before the step. */
  readonly parameters: Tensors;
  /** The number of this step, counted from 1: a scalar. */
  readonly step: tf.Scalar;
  /** The learning rate at this step: a scalar. */
  readonly learningRate: tf.Scalar;
}

/** A transform of gradients. */
export interface GradientTransform {
  /** The names of the state's records, each of which starts as zeros in the parameters' shapes. */
  readonly slots: readonly string[];
  /** Transforms gradients. */
  update(
    gradients: Tensors,
    state: OptimizerState,
    info: StepInfo,
  ): { updates: Tensors; state: OptimizerState };
}

function mapTensors(tensors: Tensors, fn: (tensor: tf.Tensor, name: string) => tf.Tensor): Tensors {
  return Object.fromEntries(Object.entries(tensors).map(([name, t]) => [name, fn(t, name)]));
}

function stateless(fn: (gradients: Tensors, info: StepInfo) => Tensors): GradientTransform {
  return {
    slots: [],
    update: (gradients, state, info) => ({ updates: fn(gradients, info), state }),
  };
}

/** Transforms in a row. Their states must have different names. */
export function chain(...transforms: readonly GradientTransform[]): GradientTransform {
  return {
    slots: transforms.flatMap(({ slots }) => slots),
    update: (gradients, state, info) => {
      let updates = gradients;
      let next = state;
      for (const transform of transforms) {
        ({ updates, state: next } = transform.update(updates, next, info));
      }
      return { updates, state: next };
    },
  };
}

/** The norm of all tensors taken as one vector: a scalar. */
export function globalNorm(tensors: Tensors): tf.Scalar {
  const squares = Object.values(tensors).map((tensor) => tf.sum(tf.square(tensor)));
  return tf.sqrt(squares.length === 1 ? squares[0]! : tf.addN(squares)) as tf.Scalar;
}

/**
 * Scales gradients down to a global norm of at most `maxNorm` (Pascanu et al. 2013). The small number
 * in the denominator is PyTorch's.
 */
export function clipByGlobalNorm(maxNorm: number): GradientTransform {
  return stateless((gradients) => {
    const factor = tf.minimum(1, tf.div(maxNorm, tf.add(globalNorm(gradients), 1e-6)));
    return mapTensors(gradients, (gradient) => tf.mul(gradient, factor));
  });
}

/** Options of {@linkcode scaleByAdam}. */
export interface AdamOptions {
  /** Decay of the mean of gradients; 0.9 by default. */
  beta1?: number;
  /** Decay of the mean of their squares; 0.999 by default. */
  beta2?: number;
  /** Added to the denominator; 1e-8 by default. */
  epsilon?: number;
}

/** Adam's rescaling with bias correction (Kingma and Ba 2015, algorithm 1). */
export function scaleByAdam(
  { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 }: AdamOptions = {},
): GradientTransform {
  return {
    slots: ["mean", "variance"],
    update: (gradients, state, { step }) => {
      const mean = mapTensors(
        gradients,
        (g, name) => tf.add(tf.mul(state["mean"]![name]!, beta1), tf.mul(g, 1 - beta1)),
      );
      const variance = mapTensors(
        gradients,
        (g, name) =>
          tf.add(tf.mul(state["variance"]![name]!, beta2), tf.mul(tf.square(g), 1 - beta2)),
      );
      const meanCorrection = tf.sub(1, tf.pow(beta1, step));
      const varianceCorrection = tf.sqrt(tf.sub(1, tf.pow(beta2, step)));
      const updates = mapTensors(mean, (m, name) => {
        const deviation = tf.div(tf.sqrt(variance[name]!), varianceCorrection);
        return tf.div(tf.div(m, meanCorrection), tf.add(deviation, epsilon));
      });
      return { updates, state: { ...state, mean, variance } };
    },
  };
}

/** Adamax's rescaling, by the largest gradient lately (Kingma and Ba 2015, algorithm 2). */
export function scaleByAdamax(
  { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 }: AdamOptions = {},
): GradientTransform {
  return {
    slots: ["mean", "largest"],
    update: (gradients, state, { step }) => {
      const mean = mapTensors(
        gradients,
        (g, name) => tf.add(tf.mul(state["mean"]![name]!, beta1), tf.mul(g, 1 - beta1)),
      );
      const largest = mapTensors(
        gradients,
        (g, name) =>
          tf.maximum(tf.mul(state["largest"]![name]!, beta2), tf.add(tf.abs(g), epsilon)),
      );
      const correction = tf.sub(1, tf.pow(beta1, step));
      const updates = mapTensors(
        mean,
        (m, name) => tf.div(tf.div(m, correction), largest[name]!),
      );
      return { updates, state: { ...state, mean, largest } };
    },
  };
}

/** Momentum: the decayed sum of gradients. */
export function trace(decay: number): GradientTransform {
  return {
    slots: ["velocity"],
    update: (gradients, state) => {
      const velocity = mapTensors(
        gradients,
        (g, name) => tf.add(tf.mul(state["velocity"]![name]!, decay), g),
      );
      return { updates: velocity, state: { ...state, velocity } };
    },
  };
}

/**
 * Adds decay * parameter to the updates. Behind an Adam this is decoupled weight decay (Loshchilov and
 * Hutter 2019, arXiv:1711.05101, algorithm 2); before it, L2 regularization.
 */
export function addDecayedWeights(decay: number): GradientTransform {
  return stateless((updates, { parameters }) =>
    decay === 0
      ? updates
      : mapTensors(updates, (update, name) => tf.add(update, tf.mul(parameters[name]!, decay)))
  );
}

/** Multiplies by minus the learning rate, so that the updates are what is to be added. */
export function scaleByLearningRate(): GradientTransform {
  return stateless((updates, { learningRate }) =>
    mapTensors(updates, (update) => tf.mul(update, tf.neg(learningRate)))
  );
}

/** What {@linkcode adamW} rescales by. */
export const ADAM_RULES = ["adamw", "adamax"] as const;

/** Options of {@linkcode adamW}. */
export interface AdamWOptions extends AdamOptions {
  /** Adam's rescaling, or Adamax's in its place; Adam's by default. */
  rule?: typeof ADAM_RULES[number];
  /** Decoupled weight decay; 0.01 by default, as PyTorch's. */
  weightDecay?: number;
  /** Gradients are clipped to this global norm, if given. */
  maxGradNorm?: number;
}

/**
 * AdamW (Loshchilov and Hutter 2019), or Adamax with the same decoupled weight decay, with clipping by
 * global norm before it if asked for.
 */
export function adamW(
  { rule = "adamw", weightDecay = 0.01, maxGradNorm, ...adam }: AdamWOptions = {},
): GradientTransform {
  return chain(
    ...(maxGradNorm === undefined ? [] : [clipByGlobalNorm(maxGradNorm)]),
    rule === "adamw" ? scaleByAdam(adam) : scaleByAdamax(adam),
    addDecayedWeights(weightDecay),
    scaleByLearningRate(),
  );
}

/** Parameters after updates. */
export function applyUpdates(parameters: Tensors, updates: Tensors): Tensors {
  return mapTensors(parameters, (parameter, name) => tf.add(parameter, updates[name]!));
}
