/** One training step of a diffusion model, compiled into one graph. */
import type { Compiled, Device } from "../engine/device.ts";
import * as tf from "../engine/tf.ts";
import { float32, type HostArray, scalar } from "../engine/tree.ts";
import { updateEma } from "../nn/ema.ts";
import { applyUpdates, globalNorm, type GradientTransform } from "../nn/optimizers.ts";
import {
  countParameters,
  type HostParameters,
  type Parameters,
  type ParameterSpecs,
  ravel,
  unravelTensor,
} from "../nn/parameters.ts";
import type { NoiseSchedule } from "../diffusion/schedules.ts";

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

/** What a denoiser is asked in training: noisy samples, their time steps, and its condition. */
export interface DenoiserInputs {
  /** [B, ...] */
  readonly x: tf.Tensor;
  /** [B] */
  readonly timesteps: tf.Tensor1D;
  /** Whatever else the model is given, by name. */
  readonly condition: Readonly<Record<string, tf.Tensor>>;
}

/** A denoiser as the training step sees it. */
export type DenoiserFunction = (parameters: Parameters, inputs: DenoiserInputs) => tf.Tensor;

/** Examples with their noise and time steps, as the graph takes them. */
export type DiffusionBatch = {
  /** Clean samples [B, ...]. */
  readonly x0: HostArray;
  /** Standard normal numbers [B, ...]. */
  readonly noise: HostArray;
  /** Time steps [B]. */
  readonly timesteps: HostArray;
  /** Factors [5, B] of x0 and noise in x_t, of x0 and noise in the target, and of the loss. */
  readonly factors: HostArray;
  /** The condition by name. */
  readonly condition: Readonly<Record<string, HostArray>>;
};

/**
 * Puts a batch together: the schedule's tables are looked up here, in float64, and only what the
 * examples need is sent to the device.
 *
 * @param weights The loss's weight at each time step [T]; 1 by default.
 */
export function diffusionBatch(schedule: NoiseSchedule, options: {
  x0: HostArray;
  noise: Float32Array;
  timesteps: Int32Array;
  condition?: Record<string, HostArray>;
  weights?: ArrayLike<number>;
}): DiffusionBatch {
  const { x0, noise, timesteps, condition = {}, weights } = options;
  const size = timesteps.length;
  const factors = new Float32Array(5 * size);
  timesteps.forEach((t, i) => {
    const signal = Math.sqrt(schedule.alphasCumprod[t]!);
    const sigma = Math.sqrt(1 - schedule.alphasCumprod[t]!);
    // Of x0 and of the noise in the target: v is signal * noise - sigma * x0 (Salimans and Ho 2022).
    const target = { epsilon: [0, 1], sample: [1, 0], v_prediction: [-sigma, signal] } as const;
    const [ofX0, ofNoise] = target[schedule.predictionType];
    [signal, sigma, ofX0, ofNoise, weights?.[t] ?? 1].forEach((factor, row) => {
      factors[row * size + i] = factor;
    });
  });
  return {
    x0,
    noise: float32(noise, x0.shape),
    timesteps: float32(Float32Array.from(timesteps)),
    factors: float32(factors, [5, size]),
    condition,
  };
}

/** A batch on the device. */
export type BatchTensors = Readonly<
  Record<"x0" | "noise" | "timesteps" | "factors", tf.Tensor> & {
    condition: Readonly<Record<string, tf.Tensor>>;
  }
>;

/**
 * Squared errors of a denoiser on a batch, the mean over each example's elements: [B], weighted and as
 * they are.
 */
export function diffusionLosses(
  denoise: DenoiserFunction,
  parameters: Parameters,
  { x0, noise, timesteps, factors, condition }: BatchTensors,
): { weighted: tf.Tensor; plain: tf.Tensor } {
  const ones = Array(x0.rank - 1).fill(1);
  const [signal, sigma, ofX0, ofNoise, weight] = tf.unstack(factors as tf.Tensor2D)
    .map((row) => tf.reshape(row, [-1, ...ones])) as [
      tf.Tensor,
      tf.Tensor,
      tf.Tensor,
      tf.Tensor,
      tf.Tensor,
    ]; // each [B, 1, ...]
  const x = tf.add(tf.mul(x0, signal), tf.mul(noise, sigma));
  const target = tf.add(tf.mul(x0, ofX0), tf.mul(noise, ofNoise));
  const output = denoise(parameters, {
    x,
    timesteps: timesteps as tf.Tensor1D,
    condition,
  });
  const axes = ones.map((_, i) => i + 1);
  const plain = tf.mean(tf.squaredDifference(output, target), axes); // [B]
  return { weighted: tf.mul(plain, tf.reshape(weight, [-1])), plain };
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
