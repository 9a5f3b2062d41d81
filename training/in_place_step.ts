/**
 * The training step of a denoiser of tens of millions of parameters: that of diffusion_step.ts with
 * AdamW, in memory of its own.
 *
 * The device computes the gradients; Adam and the moving average are one pass over memory on the host,
 * where the state is kept anyway. As operations of a graph they would be a dozen passes, and their
 * results would be copied out of the device in every step.
 */
import type { Device, OnDevice } from "../engine/device.ts";
import { type AdamMemory, adamMemory } from "../engine/fused_adam.ts";
import { updatesInPlace } from "../engine/in_place.ts";
import { float32, type HostArray } from "../engine/tree.ts";
import type { BatchTensors, DenoiserFunction, DiffusionBatch } from "../diffusion/objective.ts";
import type { AdamWOptions } from "../nn/optimizers.ts";
import {
  countParameters,
  type HostParameters,
  type ParameterSpecs,
  unravel,
} from "../nn/parameters.ts";
import type { StepSettings, TrainState, TrainStep } from "./diffusion_step.ts";
import { lossGradients } from "./loss_gradients.ts";

type Inputs = {
  parameters: HostParameters;
  /** Where the gradients are to be written. */
  gradients: HostParameters;
  batch: DiffusionBatch;
};

type Outputs = { gradients: HostParameters; loss: HostArray; losses: HostArray };

/**
 * Compiles a training step that keeps the state in memory of its own: the state that it gives back is
 * written over by the next step. One that it did not give is copied there first. A step whose
 * gradients are not finite changes nothing; its `gradNorm` tells.
 *
 * @param options.optimizer The options of nn/optimizers.ts's adamW, whose state it is started with.
 * @throws {UserError} If the parameters do not fit into memory.
 */
export function compileInPlaceTrainStep(device: Device, { denoise, specs, optimizer }: {
  denoise: DenoiserFunction;
  specs: ParameterSpecs;
  optimizer: AdamWOptions;
}): TrainStep {
  const names = Object.keys(specs);
  const memory = adamMemory(countParameters(specs));
  const state = {
    parameters: float32(memory.parameters),
    ema: float32(memory.average),
    optimizer: { mean: float32(memory.mean), variance: float32(memory.variance) },
  };
  const parameters = unravel(state.parameters, specs);
  const gradients = unravel(float32(memory.gradient), specs);

  const differentiate = ({ parameters, batch }: OnDevice<Inputs>): OnDevice<Outputs> => {
    const { loss, gradients, losses } = lossGradients(
      denoise,
      batch as BatchTensors,
      names.map((name) => parameters[name]!),
      (weights) => Object.fromEntries(names.map((name, i) => [name, weights[i]!])),
    );
    return {
      gradients: Object.fromEntries(names.map((name, i) => [name, gradients[i]!])),
      loss,
      losses,
    };
  };
  const compiled = device.compile<Inputs, Outputs>(updatesInPlace(differentiate, ["gradients"]));

  const step = async (given: TrainState, batch: DiffusionBatch, settings: StepSettings) => {
    const { mean, variance } = given.optimizer as Record<"mean" | "variance", HostArray>;
    writeOver(state.parameters, given.parameters);
    writeOver(state.ema, given.ema);
    writeOver(state.optimizer.mean, mean);
    writeOver(state.optimizer.variance, variance);
    const result = await compiled({ parameters, gradients, batch });
    for (const name of names) writeOver(gradients[name]!, result.gradients[name]!);
    const gradNorm = memory.gradientNorm();
    if (Number.isFinite(gradNorm)) update(memory, gradNorm, settings, optimizer);
    return {
      state,
      loss: result.loss.data[0]!,
      gradNorm,
      losses: result.losses.data as Float32Array,
    };
  };
  return Object.assign(step, { dispose: () => compiled.dispose() });
}

/** Copies a tensor over another, unless it lies there already. */
function writeOver(target: HostArray, source: HostArray): void {
  if (source.data !== target.data) target.data.set(source.data);
}

/** AdamW with bias correction and clipping by the global norm: see nn/optimizers.ts. */
function update(
  memory: AdamMemory,
  gradNorm: number,
  { step, learningRate, emaDecay }: StepSettings,
  { maxGradNorm = Infinity, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0.01 }:
    AdamWOptions,
): void {
  const clip = Math.min(1, maxGradNorm / (gradNorm + 1e-6));
  const root = Math.sqrt(1 - beta2 ** step);
  memory.update({
    mean: beta1,
    gradient: (1 - beta1) * clip,
    variance: beta2,
    square: (1 - beta2) * clip ** 2,
    epsilon: epsilon * root,
    rate: learningRate * root / (1 - beta1 ** step),
    decay: 1 - learningRate * weightDecay,
    average: 1 - emaDecay,
  });
}
