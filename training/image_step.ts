/** The training step of image.ts: that of diffusion_step.ts, for other distances than squared errors too. */
import type { Device } from "../engine/device.ts";
import * as tf from "../engine/tf.ts";
import type { ElementwiseLossOptions } from "../diffusion/elementwise_loss.ts";
import {
  type BatchTensors,
  type DenoiserFunction,
  type DiffusionBatch,
  diffusionLosses,
} from "../diffusion/objective.ts";
import type { HostArray } from "../engine/tree.ts";
import { globalNorm, type GradientTransform } from "../nn/optimizers.ts";
import { type ParameterSpecs, unravelTensor } from "../nn/parameters.ts";
import {
  compileTrainStep,
  type StepSettings,
  type TrainState,
  type TrainStep,
} from "./diffusion_step.ts";
import {
  type SettingInputs,
  settingInputs,
  type StateInputs,
  updateState,
} from "./update_state.ts";

type Inputs = { state: StateInputs; batch: DiffusionBatch; settings: SettingInputs };
type Outputs = { state: StateInputs; loss: HostArray; gradNorm: HostArray; losses: HostArray };

/** Compiles the training step of a denoiser with any of the elementwise losses. */
export function compileImageStep(device: Device, { denoise, specs, optimizer, loss }: {
  denoise: DenoiserFunction;
  specs: ParameterSpecs;
  optimizer: GradientTransform;
  loss: ElementwiseLossOptions;
}): TrainStep {
  if (loss.lossType === "mse") return compileTrainStep(device, { denoise, specs, optimizer });
  const compiled = device.compile<Inputs, Outputs>(({ state, batch, settings }) => {
    let kept!: tf.Tensor;
    const { value, grads } = tf.valueAndGrads((flat: tf.Tensor) => {
      const parameters = unravelTensor(flat, specs);
      const { weighted, plain } = diffusionLosses(denoise, parameters, batch as BatchTensors, loss);
      kept = tf.keep(plain); // the scope of the gradient would dispose of it
      return tf.mean(weighted);
    })([state.parameters]);
    const losses = tf.clone(kept);
    kept.dispose();
    return {
      state: updateState(state, grads[0]!, settings, optimizer),
      loss: value,
      gradNorm: globalNorm({ flat: grads[0]! }),
      losses,
    };
  });
  const step = async (state: TrainState, batch: DiffusionBatch, settings: StepSettings) => {
    const result = await compiled({ state, batch, settings: settingInputs(settings) });
    return {
      state: result.state,
      loss: result.loss.data[0]!,
      gradNorm: result.gradNorm.data[0]!,
      losses: result.losses.data as Float32Array,
    };
  };
  return Object.assign(step, { dispose: () => compiled.dispose() });
}
