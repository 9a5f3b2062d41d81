/** One training step of a diffusion model, compiled into one graph. */
import type { Compiled, Device } from "../engine/device.ts";
import * as tf from "../engine/tf.ts";
import {
  type BatchTensors,
  type DenoiserFunction,
  type DiffusionBatch,
  diffusionLosses,
} from "../diffusion/objective.ts";
import { float32, type HostArray, scalar } from "../engine/tree.ts";
import { updateEma } from "../nn/ema.ts";
import { applyUpdates, globalNorm, type GradientTransform } from "../nn/optimizers.ts";
import {
  countParameters,
  type HostParameters,
  type ParameterSpecs,
  ravel,
  unravelTensor,
} from "../nn/parameters.ts";

/** What changes from step to step, each part as one vector over all parameters. */
export interface TrainState {
  /** The parameters. */
  readonly parameters: HostArray;
  /** Their exponential moving average. */
  readonly ema: HostArray;
  /** The optimizer's records by name. */
  readonly optimizer: Readonly<Record<string, HostArray>>;
}

/** The state before the first step. */
export function initTrainState(
  parameters: HostParameters,
  specs: ParameterSpecs,
  optimizer: GradientTransform,
): TrainState {
  const flat = ravel(parameters, specs);
  const zeros = () => float32(new Float32Array(countParameters(specs)));
  return {
    parameters: flat,
    ema: float32(flat.data.slice() as Float32Array),
    optimizer: Object.fromEntries(optimizer.slots.map((slot) => [slot, zeros()])),
  };
}

/** What a step is told besides the batch. */
export interface StepSettings {
  /** The number of the step, counted from 1. */
  readonly step: number;
  /** The learning rate. */
  readonly learningRate: number;
  /** The moving average's decay. */
  readonly emaDecay: number;
}

/** What a step gives. */
export interface StepResult {
  /** The state after it. */
  readonly state: TrainState;
  /** The mean weighted loss of the batch. */
  readonly loss: number;
  /** The gradients' global norm, before any clipping. */
  readonly gradNorm: number;
  /** Each example's unweighted loss [B]. */
  readonly losses: Float32Array;
}

type StepInputs = {
  state: { [Key in keyof TrainState]: TrainState[Key] };
  batch: DiffusionBatch;
  settings: Record<keyof StepSettings, HostArray>;
};

type StepOutputs = {
  state: { [Key in keyof TrainState]: TrainState[Key] };
  loss: HostArray;
  gradNorm: HostArray;
  losses: HostArray;
};

/** A compiled training step. */
export interface TrainStep {
  /** Takes a step. */
  (state: TrainState, batch: DiffusionBatch, settings: StepSettings): Promise<StepResult>;
  /** Releases its graphs. */
  dispose(): Promise<void>;
}

/** Compiles the training step of a denoiser: loss, gradients, optimizer and moving average. */
export function compileTrainStep(device: Device, { denoise, specs, optimizer }: {
  denoise: DenoiserFunction;
  specs: ParameterSpecs;
  optimizer: GradientTransform;
}): TrainStep {
  const compiled: Compiled<StepInputs, StepOutputs> = device.compile<StepInputs, StepOutputs>(
    ({ state, batch, settings }) => {
      let kept!: tf.Tensor;
      const { value: loss, grads } = tf.valueAndGrads((flat: tf.Tensor) => {
        const { weighted, plain } = diffusionLosses(
          denoise,
          unravelTensor(flat, specs),
          batch as BatchTensors,
        );
        kept = tf.keep(plain); // the scope of the gradient would dispose of it
        return tf.mean(weighted);
      })([state.parameters]);
      const losses = tf.clone(kept);
      kept.dispose();
      const gradients = { flat: grads[0]! };
      const parameters = { flat: state.parameters };
      const { updates, state: slots } = optimizer.update(
        gradients,
        Object.fromEntries(
          Object.entries(state.optimizer).map(([slot, flat]) => [slot, { flat }]),
        ),
        {
          parameters,
          step: settings.step as tf.Scalar,
          learningRate: settings.learningRate as tf.Scalar,
        },
      );
      const updated = applyUpdates(parameters, updates);
      const ema = updateEma({ flat: state.ema }, updated, settings.emaDecay as tf.Scalar);
      return {
        state: {
          parameters: updated["flat"]!,
          ema: ema["flat"]!,
          optimizer: Object.fromEntries(
            Object.entries(slots).map(([slot, record]) => [slot, record["flat"]!]),
          ),
        },
        loss,
        gradNorm: globalNorm(gradients),
        losses,
      };
    },
  );
  const step = async (state: TrainState, batch: DiffusionBatch, settings: StepSettings) => {
    const result = await compiled({
      state,
      batch,
      settings: {
        step: scalar(settings.step),
        learningRate: scalar(settings.learningRate),
        emaDecay: scalar(settings.emaDecay),
      },
    });
    return {
      state: result.state,
      loss: result.loss.data[0]!,
      gradNorm: result.gradNorm.data[0]!,
      losses: result.losses.data as Float32Array,
    };
  };
  return Object.assign(step, { dispose: () => compiled.dispose() });
}
