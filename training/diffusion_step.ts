/** One training step of a diffusion model, compiled into one graph. */
import type { Compiled, Device } from "../engine/device.ts";
import {
  type BatchTensors,
  type DenoiserFunction,
  type DiffusionBatch,
  diffusionLosses,
  type LossFunction,
} from "../diffusion/objective.ts";
import { float32, type HostArray } from "../engine/tree.ts";
import { globalNorm, type GradientTransform } from "../nn/optimizers.ts";
import {
  countParameters,
  type HostParameters,
  type ParameterSpecs,
  ravel,
  unravelTensor,
} from "../nn/parameters.ts";
import { lossGradients } from "./loss_gradients.ts";
import {
  type SettingInputs,
  settingInputs,
  type StateInputs,
  updateState,
} from "./update_state.ts";

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
  /** Each example's weighted loss, what it is trained on [B]. */
  readonly weighted: Float32Array;
}

type StepInputs = {
  state: StateInputs;
  batch: DiffusionBatch;
  settings: SettingInputs;
};

type StepOutputs = {
  state: StateInputs;
  loss: HostArray;
  gradNorm: HostArray;
  losses: HostArray;
  weighted: HostArray;
};

/** A compiled training step. */
export interface TrainStep {
  /** Takes a step. */
  (state: TrainState, batch: DiffusionBatch, settings: StepSettings): Promise<StepResult>;
  /** Releases its graphs. */
  dispose(): Promise<void>;
}

/** Options of {@linkcode compileTrainStep}. */
export interface TrainStepOptions {
  /** The model. */
  readonly denoise: DenoiserFunction;
  /** Its parameters. */
  readonly specs: ParameterSpecs;
  /** What makes updates of gradients. */
  readonly optimizer: GradientTransform;
  /** What is minimised. @default {diffusionLosses} */
  readonly lossFunction?: LossFunction;
}

/** Compiles the training step of a denoiser: loss, gradients, optimizer and moving average. */
export function compileTrainStep(
  device: Device,
  { denoise, specs, optimizer, lossFunction = diffusionLosses }: TrainStepOptions,
): TrainStep {
  const compiled: Compiled<StepInputs, StepOutputs> = device.compile<StepInputs, StepOutputs>(
    ({ state, batch, settings }) => {
      const { loss, gradients, losses, weighted } = lossGradients(
        denoise,
        batch as BatchTensors,
        [state.parameters],
        ([flat]) => unravelTensor(flat!, specs),
        lossFunction,
      );
      return {
        state: updateState(state, gradients[0]!, settings, optimizer),
        loss,
        gradNorm: globalNorm({ flat: gradients[0]! }),
        losses,
        weighted,
      };
    },
  );
  const step = async (state: TrainState, batch: DiffusionBatch, settings: StepSettings) => {
    const result = await compiled({ state, batch, settings: settingInputs(settings) });
    return {
      state: result.state,
      loss: result.loss.data[0]!,
      gradNorm: result.gradNorm.data[0]!,
      losses: result.losses.data as Float32Array,
      weighted: result.weighted.data as Float32Array,
    };
  };
  return Object.assign(step, { dispose: () => compiled.dispose() });
}
