/** Group normalization (Wu and He 2018, arXiv:1803.08494). */
import { channelAffine, channelDot, channelSum } from "../engine/fused.ts";
import * as tf from "../engine/tf.ts";
import { parameter, type Parameters } from "./parameters.ts";

/** Options of {@linkcode groupNorm}. */
export interface GroupNormOptions {
  /** The number of groups, a divisor of the channels. */
  groups: number;
  /** Added to the variance. @default {1e-5} */
  epsilon?: number | undefined;
  /** Added to each pixel of a sample before it is normalized [B, C], at no cost. @default {nothing} */
  offsets?: tf.Tensor2D | undefined;
}

/**
 * Normalizes each sample's groups of channels to mean 0 and variance 1, then scales and shifts each
 * channel.
 *
 * Forward and backward pass consist of sums over height and width, arithmetic on [B, C], and passes of
 * x * scale + shift. A device reads the image four times; the direct formula with autodiff would read it
 * a dozen times. The mean is subtracted first: E[x^2] - E[x]^2 would lose the variance where the mean is
 * hundreds of standard deviations from zero.
 *
 * @param x [B, H, W, C]
 */
export function groupNorm(
  parameters: Parameters,
  name: string,
  x: tf.Tensor4D,
  { groups, epsilon = 1e-5, offsets }: GroupNormOptions,
): tf.Tensor4D {
  const [batch, height, width, channels] = x.shape;
  const perGroup = channels / groups;
  const pixels = height * width;

  // [C, C]: one matrix product replaces a reshape, a sum, a division and a broadcast, which would be called
  // a hundred times per step at a few microseconds each.
  const weights = new Float32Array(channels * channels);
  for (let i = 0; i < channels; i++) {
    const group = i * channels + i - i % perGroup;
    weights.fill(1 / (pixels * perGroup), group, group + perGroup);
  }

  /** Sums over height and width [B, C] to means over their groups, for every channel: [B, C]. */
  const groupMean = (sums: tf.Tensor2D): tf.Tensor2D =>
    tf.matMul(sums, tf.tensor2d(weights, [channels, channels]));

  const op = tf.customGrad((...args) => {
    const [x, offsets, weight, bias, save] = args as [
      tf.Tensor4D,
      tf.Tensor2D,
      tf.Tensor1D,
      tf.Tensor1D,
      unknown,
    ];
    const sums = tf.add(channelSum(x), tf.mul(offsets, pixels)) as tf.Tensor2D; // [B, C]
    const mean = groupMean(sums);
    const centered = channelAffine(x, tf.onesLike(mean), tf.sub(offsets, mean) as tf.Tensor2D);
    const variance = groupMean(channelDot(centered, centered));
    const inverse = tf.rsqrt(tf.add(variance, epsilon)) as tf.Tensor2D;
    const shift = tf.tile(tf.reshape(bias, [1, channels]), [batch, 1]) as tf.Tensor2D;
    const sumsOfCentered = tf.sub(sums, tf.mul(mean, pixels));
    (save as tf.GradSaveFunc)([centered, sumsOfCentered, weight, inverse]);
    return {
      value: channelAffine(centered, tf.mul(inverse, weight) as tf.Tensor2D, shift),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const [centered, sumsOfCentered, weight, inverse] = saved as [
          tf.Tensor4D,
          tf.Tensor2D,
          tf.Tensor1D,
          tf.Tensor2D,
        ];
        const sum = channelSum(dy as tf.Tensor4D); // [B, C]
        // The sum of dy * xhat, with xhat = (x - mean) * inverse.
        const dot = tf.mul(channelDot(dy as tf.Tensor4D, centered), inverse) as tf.Tensor2D;
        // dx = inverse * (dy * weight - mean(dy * weight) - xhat * mean(dy * weight * xhat)), as the sum
        // of a multiple of dy, a multiple of x - mean and a constant.
        const ofGradient = tf.mul(inverse, weight) as tf.Tensor2D;
        const constant = tf.neg(tf.mul(inverse, groupMean(tf.mul(sum, weight)))) as tf.Tensor2D;
        const meanProjection = groupMean(tf.mul(dot, weight));
        const ofCentered = tf.neg(tf.mul(tf.square(inverse), meanProjection)) as tf.Tensor2D;
        const dx = tf.add(
          channelAffine(dy as tf.Tensor4D, ofGradient, constant),
          channelAffine(centered, ofCentered, tf.zerosLike(ofCentered)),
        );
        // The sums of dx over pixels, without reading it.
        const dOffsets = tf.addN([
          tf.mul(sum, ofGradient),
          tf.mul(sumsOfCentered, ofCentered),
          tf.mul(constant, pixels),
        ]);
        return [dx, dOffsets, tf.sum(dot, 0), tf.sum(sum, 0)];
      },
    };
  });
  const weight = parameter(parameters, `${name}.weight`);
  const bias = parameter(parameters, `${name}.bias`);
  return op(x, offsets ?? tf.zeros([batch, channels]), weight, bias) as tf.Tensor4D;
}
