/** The training step of diffusion_step.ts with AdamW, in memory of its own: see loss_step.ts. */
import * as tf from "../engine/tf.ts";
import type { Device } from "../engine/device.ts";
import {
  type BatchTensors,
  type DenoiserFunction,
  type DiffusionBatch,
  diffusionLosses,
} from "../diffusion/objective.ts";
import type { HostArray } from "../engine/tree.ts";
import type { AdamWOptions } from "../nn/optimizers.ts";
import type { ParameterSpecs } from "../nn/parameters.ts";
import type { StepSettings, TrainState, TrainStep } from "./diffusion_step.ts";
import { compileLossStep, type LossBatch } from "./loss_step.ts";

/**
 * Compiles a training step of a denoiser of tens of millions of parameters.
 *
 * @param options.optimizer The options of nn/optimizers.ts's adamW, whose state it is started with.
 * @throws {UserError} If the parameters do not fit into memory.
 */
export function compileInPlaceTrainStep(device: Device, { denoise, specs, optimizer }: {
  denoise: DenoiserFunction;
  specs: ParameterSpecs;
  optimizer: AdamWOptions;
}): TrainStep {
  const lossStep = compileLossStep(device, {
    specs,
    optimizer,
    loss: (parameters, batch) => {
      const { weighted, plain } = diffusionLosses(
        denoise,
        parameters,
        batch as unknown as BatchTensors,
      );
      return { loss: tf.mean(weighted), figures: { losses: plain, weighted } };
    },
  });
  const step = async (state: TrainState, batch: DiffusionBatch, settings: StepSettings) => {
    const { figures, ...result } = await lossStep(state, batch as unknown as LossBatch, settings);
    const { losses, weighted } = figures as Record<"losses" | "weighted", HostArray>;
    return {
      ...result,
      losses: losses.data as Float32Array,
      weighted: weighted.data as Float32Array,
    };
  };
  return Object.assign(step, { dispose: () => lossStep.dispose() });
}
