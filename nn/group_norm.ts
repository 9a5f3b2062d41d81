/** Group normalization (Wu and He 2018, arXiv:1803.08494). */
import { channelAffine, channelDot, channelSum } from "../engine/fused.ts";
import * as tf from "../engine/tf.ts";
import { parameter, type Parameters } from "./parameters.ts";

/** Options of {@linkcode groupNorm}. */
export interface GroupNormOptions {
  /** The number of groups, a divisor of the channels. */
  groups: number;
  /** Added to the variance. @default {1e-5} */
  epsilon?: number;
}

/**
 * Normalizes each sample's groups of channels to mean 0 and variance 1, then scales and shifts each
 * channel.
 *
 * Forward and backward pass consist of sums over height and width, arithmetic on [B, C], and one
 * x * scale + shift. A device reads the image three times; the direct formula with autodiff would read it
 * a dozen times. The variance is E[x^2] - E[x]^2, bounded below by 0. It loses precision only where the
 * mean is thousands of standard deviations from zero, which does not occur in a network.
 *
 * @param x [B, H, W, C]
 */
export function groupNorm(
  parameters: Parameters,
  name: string,
  x: tf.Tensor4D,
  { groups, epsilon = 1e-5 }: GroupNormOptions,
): tf.Tensor4D {
  const [, height, width, channels] = x.shape;
  const perGroup = channels / groups;

  // [C, C]: one matrix product replaces a reshape, a sum, a division and a broadcast, which would be called
  // a hundred times per step at a few microseconds each.
  const weights = new Float32Array(channels * channels);
  for (let i = 0; i < channels; i++) {
    const group = i * channels + i - i % perGroup;
    weights.fill(1 / (height * width * perGroup), group, group + perGroup);
  }

  /** Sums over height and width [B, C] to means over their groups, for every channel: [B, C]. */
  const groupMean = (sums: tf.Tensor2D): tf.Tensor2D =>
    tf.matMul(sums, tf.tensor2d(weights, [channels, channels]));

  const op = tf.customGrad((...args) => {
    const [x, weight, bias, save] = args as [tf.Tensor4D, tf.Tensor1D, tf.Tensor1D, unknown];
    const mean = groupMean(channelSum(x));
    const variance = tf.relu(tf.sub(groupMean(channelDot(x, x)), tf.square(mean)));
    const inverse = tf.rsqrt(tf.add(variance, epsilon)) as tf.Tensor2D; // [B, C]
    const scale = tf.mul(inverse, weight) as tf.Tensor2D;
    const shift = tf.sub(bias, tf.mul(mean, scale)) as tf.Tensor2D;
    (save as tf.GradSaveFunc)([x, weight, mean, inverse]);
    return {
      value: channelAffine(x, scale, shift),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const [x, weight, mean, inverse] = saved as [
          tf.Tensor4D,
          tf.Tensor1D,
          tf.Tensor2D,
          tf.Tensor2D,
        ];
        const sum = channelSum(dy as tf.Tensor4D); // [B, C]
        // The sum of dy * xhat, with xhat = (x - mean) * inverse.
        const dot = tf.mul(
          tf.sub(channelDot(dy as tf.Tensor4D, x), tf.mul(mean, sum)),
          inverse,
        ) as tf.Tensor2D;
        // dx = inverse * (dy * weight - mean(dy * weight) - xhat * mean(dy * weight * xhat)), as the sum
        // of a multiple of dy, a multiple of x and a constant.
        const meanGradient = groupMean(tf.mul(sum, weight));
        const meanProjection = groupMean(tf.mul(dot, weight));
        const ofX = tf.neg(tf.mul(tf.square(inverse), meanProjection)) as tf.Tensor2D;
        const constant = tf.neg(
          tf.add(tf.mul(inverse, meanGradient), tf.mul(mean, ofX)),
        ) as tf.Tensor2D;
        const dx = tf.add(
          channelAffine(dy as tf.Tensor4D, tf.mul(inverse, weight) as tf.Tensor2D, constant),
          channelAffine(x, ofX, tf.zerosLike(ofX)),
        );
        return [dx, tf.sum(dot, 0), tf.sum(sum, 0)];
      },
    };
  });
  const weight = parameter(parameters, `${name}.weight`);
  return op(x, weight, parameter(parameters, `${name}.bias`)) as tf.Tensor4D;
}
