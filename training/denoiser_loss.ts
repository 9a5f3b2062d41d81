/** A denoiser's objective as the loss of a training step. */
import {
  type DiffusionBatch,
  diffusionLosses,
  type LossFunction,
  type TrainableDenoiser,
} from "../diffusion/objective.ts";
import * as tf from "../engine/tf.ts";
import type { BatchLoss } from "./step.ts";

/**
 * The mean of a batch's weighted losses, with two figures: the examples' losses without weights [B] and
 * with them [B].
 */
export function denoiserLoss(
  denoise: TrainableDenoiser,
  losses: LossFunction = diffusionLosses,
): BatchLoss<DiffusionBatch, "losses" | "weighted"> {
  return (parameters, batch) => {
    const { weighted, plain } = losses(denoise, parameters, batch);
    return { loss: tf.mean(weighted), figures: { losses: plain, weighted } };
  };
}
