/** The loss of a denoiser on a batch and its gradients, with each example's loss beside them. */
import * as tf from "../engine/tf.ts";
import type { BatchTensors, DenoiserFunction, LossFunction } from "../diffusion/objective.ts";
import type { Parameters } from "../nn/parameters.ts";

/** What {@linkcode lossGradients} gives. */
export interface LossGradients {
  /** The mean weighted loss: a scalar. */
  readonly loss: tf.Scalar;
  /** Of the loss with respect to each of the weights, in their order and shapes. */
  readonly gradients: tf.Tensor[];
  /** Each example's unweighted loss [B]. */
  readonly losses: tf.Tensor;
  /** Each example's weighted loss [B], whose mean the loss is. */
  readonly weighted: tf.Tensor;
}

/**
 * Takes gradients of a denoiser's loss.
 *
 * @param weights What to differentiate with respect to.
 * @param named Makes the denoiser's parameters of them.
 * @param lossFunction What is minimised.
 */
export function lossGradients(
  denoise: DenoiserFunction,
  batch: BatchTensors,
  weights: tf.Tensor[],
  named: (weights: tf.Tensor[]) => Parameters,
  lossFunction: LossFunction,
): LossGradients {
  let kept: tf.Tensor[] = [];
  const { value: loss, grads } = tf.valueAndGrads((...weights: tf.Tensor[]) => {
    const { weighted, plain } = lossFunction(denoise, named(weights), batch);
    kept = [plain, weighted].map((losses) => tf.keep(losses)); // the gradient's scope would dispose of them
    return tf.mean(weighted);
  })(weights);
  const [losses, weighted] = kept.map((tensor) => tf.clone(tensor)) as [tf.Tensor, tf.Tensor];
  kept.forEach((tensor) => tensor.dispose());
  return { loss: loss as tf.Scalar, gradients: grads, losses, weighted };
}
