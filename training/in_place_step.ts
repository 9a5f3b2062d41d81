/**
 * The training step of a denoiser of tens of millions of parameters: that of diffusion_step.ts, with
 * AdamW, written over the state that it is given.
 *
 * The state is the same: a vector over all parameters each. Here the graph is given every parameter's
 * stretch of it as a tensor of its own, so that nothing is taken apart and put together in every step,
 * and what Adam computes stays in the cache. A small model is better served by the other step: there a
 * hundred small tensors are one operation.
 */
import type { Device, OnDevice } from "../engine/device.ts";
import { adamRows, adamUpdate } from "../engine/fused_optimizer.ts";
import { updatesInPlace } from "../engine/in_place.ts";
import * as tf from "../engine/tf.ts";
import { float32, type HostArray, scalar } from "../engine/tree.ts";
import {
  type BatchTensors,
  type DenoiserFunction,
  type DiffusionBatch,
  diffusionLosses,
} from "../diffusion/objective.ts";
import { type AdamWOptions, globalNorm } from "../nn/optimizers.ts";
import { type HostParameters, type ParameterSpecs, unravel } from "../nn/parameters.ts";
import type { StepSettings, TrainState, TrainStep } from "./diffusion_step.ts";

type Part = "parameter" | "mean" | "variance" | "average";

type Inputs = {
  state: Record<Part, HostParameters>;
  batch: DiffusionBatch;
  settings: Record<keyof StepSettings, HostArray>;
};

type Outputs = {
  state: Record<Part, HostParameters>;
  loss: HostArray;
  gradNorm: HostArray;
  losses: HostArray;
};

/** Options of {@linkcode compileInPlaceTrainStep}: AdamW's, of which clipping is wanted. */
export interface InPlaceStepOptions extends AdamWOptions {
  /** Gradients are clipped to this global norm. It also makes every new value wait for all gradients. */
  maxGradNorm: number;
}

/**
 * Compiles a training step that writes the new state over the old: the arrays of the state that it is
 * given change, and are what it gives back.
 *
 * @param options.optimizer The options of nn/optimizers.ts's adamW, whose state it is started with.
 */
export function compileInPlaceTrainStep(device: Device, { denoise, specs, optimizer }: {
  denoise: DenoiserFunction;
  specs: ParameterSpecs;
  optimizer: InPlaceStepOptions;
}): TrainStep {
  const names = Object.keys(specs);
  const update = ({ state, batch, settings }: OnDevice<Inputs>): OnDevice<Outputs> => {
    const parameters = names.map((name) =>
      tf.reshape(state.parameter[name]!, [...specs[name]!.shape])
    );
    let kept!: tf.Tensor;
    const { value: loss, grads } = tf.valueAndGrads((...weights: tf.Tensor[]) => {
      const named = Object.fromEntries(names.map((name, i) => [name, weights[i]!]));
      const { weighted, plain } = diffusionLosses(denoise, named, batch as BatchTensors);
      kept = tf.keep(plain); // the scope of the gradient would dispose of it
      return tf.mean(weighted);
    })(parameters);
    const losses = tf.clone(kept);
    kept.dispose();
    const gradients = Object.fromEntries(names.map((name, i) => [name, grads[i]!]));
    const gradNorm = globalNorm(gradients);
    const factors = adamFactors(optimizer, gradNorm, settings);
    const updated = names.map((name) => {
      const [parameter, mean] = [state.parameter[name]!, state.mean[name]!];
      const [variance, average] = [state.variance[name]!, state.average[name]!];
      const gradient = tf.reshape(gradients[name]!, parameter.shape);
      return adamUpdate({ parameter, mean, variance, average }, gradient, factors);
    });
    const part = (key: Part) =>
      Object.fromEntries(names.map((name, i) => [name, updated[i]![key]!]));
    return {
      loss,
      gradNorm,
      losses,
      state: {
        parameter: part("parameter"),
        mean: part("mean"),
        variance: part("variance"),
        average: part("average"),
      },
    };
  };
  // Clipping makes every new value depend on all gradients, and they on every use of the old values.
  const compiled = device.compile<Inputs, Outputs>(updatesInPlace(update, ["state"]));
  const step = async (state: TrainState, batch: DiffusionBatch, settings: StepSettings) => {
    const { mean, variance } = state.optimizer as Record<"mean" | "variance", HostArray>;
    const result = await compiled({
      state: {
        parameter: rowsOf(state.parameters, specs),
        mean: rowsOf(mean, specs),
        variance: rowsOf(variance, specs),
        average: rowsOf(state.ema, specs),
      },
      batch,
      settings: {
        step: scalar(settings.step),
        learningRate: scalar(settings.learningRate),
        emaDecay: scalar(settings.emaDecay),
      },
    });
    return {
      state,
      loss: result.loss.data[0]!,
      gradNorm: result.gradNorm.data[0]!,
      losses: result.losses.data as Float32Array,
    };
  };
  return Object.assign(step, { dispose: () => compiled.dispose() });
}

/** The parts of a vector over all parameters, in the shapes in which Adam updates them. */
function rowsOf(flat: HostArray, specs: ParameterSpecs): HostParameters {
  return Object.fromEntries(
    Object.entries(unravel(flat, specs)).map(([name, { data, shape }]) =>
      [name, float32(data as Float32Array, adamRows(shape))] as const
    ),
  );
}

/** The factors of Adam's arithmetic, with bias correction, clipping and weight decay in them. */
function adamFactors(
  { maxGradNorm, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0.01 }:
    InPlaceStepOptions,
  gradNorm: tf.Tensor,
  { step, learningRate, emaDecay }: Record<keyof StepSettings, tf.Tensor>,
) {
  const clip = tf.minimum(1, tf.div(maxGradNorm, tf.add(gradNorm, 1e-6)));
  const root = tf.sqrt(tf.sub(1, tf.pow(beta2, step)));
  return {
    mean: tf.scalar(beta1),
    gradient: tf.mul(clip, 1 - beta1),
    variance: tf.scalar(beta2),
    square: tf.mul(tf.square(clip), 1 - beta2),
    epsilon: tf.mul(root, epsilon),
    rate: tf.mul(learningRate, tf.div(root, tf.sub(1, tf.pow(beta1, step)))),
    decay: tf.sub(1, tf.mul(learningRate, weightDecay)),
    average: tf.sub(1, emaDecay),
  };
}
