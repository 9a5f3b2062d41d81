/** The end of a training step: optimizer and moving average, on vectors over all parameters. */
import type { OnDevice } from "../engine/device.ts";
import type * as tf from "../engine/tf.ts";
import { type HostArray, scalar } from "../engine/tree.ts";
import { updateEma } from "../nn/ema.ts";
import { applyUpdates, type GradientTransform } from "../nn/optimizers.ts";
import type { StepSettings, TrainState } from "./diffusion_step.ts";

/** A training state as compiled functions take it. */
export type StateInputs = { [Key in keyof TrainState]: TrainState[Key] };

/** Settings of a step as compiled functions take them. */
export type SettingInputs = Record<keyof StepSettings, HostArray>;

/** Settings of a step as scalars. */
export function settingInputs({ step, learningRate, emaDecay }: StepSettings): SettingInputs {
  return {
    step: scalar(step),
    learningRate: scalar(learningRate),
    emaDecay: scalar(emaDecay),
  };
}

/** The state after a step of the optimizer. */
export function updateState(
  state: OnDevice<StateInputs>,
  gradient: tf.Tensor,
  settings: OnDevice<SettingInputs>,
  optimizer: GradientTransform,
): OnDevice<StateInputs> {
  const parameters = { flat: state.parameters };
  const { updates, state: slots } = optimizer.update(
    { flat: gradient },
    Object.fromEntries(Object.entries(state.optimizer).map(([slot, flat]) => [slot, { flat }])),
    {
      parameters,
      step: settings.step as tf.Scalar,
      learningRate: settings.learningRate as tf.Scalar,
    },
  );
  const updated = applyUpdates(parameters, updates);
  const ema = updateEma({ flat: state.ema }, updated, settings.emaDecay as tf.Scalar);
  return {
    parameters: updated["flat"]!,
    ema: ema["flat"]!,
    optimizer: Object.fromEntries(
      Object.entries(slots).map(([slot, record]) => [slot, record["flat"]!]),
    ),
  };
}
