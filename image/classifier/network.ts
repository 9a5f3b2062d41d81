/**
 * The FashionMNIST classifier on whose features image quality is measured: a small residual network
 * (He et al. 2016, arXiv:1512.03385) with group normalization. The usual Inception network was trained on
 * colour photographs of 299x299 pixels, and its features do not suit grey images of 28x28.
 */
import * as tf from "../../engine/tf.ts";
import { silu } from "../../nn/activations.ts";
import { groupNorm } from "../../nn/group_norm.ts";
import { conv2d, conv2dSpecs, linear, linearSpecs, normSpecs } from "../../nn/layers.ts";
import type { Parameters, ParameterSpecs } from "../../nn/parameters.ts";

/** The sizes of a classifier. */
export interface ClassifierConfig {
  /** Channels at full resolution, then after each halving. */
  readonly channels: readonly number[];
  /** Groups of the normalizations; all channels are multiples. */
  readonly normNumGroups: number;
  /** Features, from which the classes are read. */
  readonly features: number;
  /** Classes. */
  readonly classes: number;
}

export function classifierSpecs(config: ClassifierConfig): ParameterSpecs {
  const { channels, features, classes } = config;
  const convolution = (name: string, from: number, to: number): ParameterSpecs => ({
    ...conv2dSpecs(`${name}.conv`, from, to, 3, { bias: false }), // the normalization has a bias
    ...normSpecs(`${name}.norm`, to),
  });
  return Object.assign(
    convolution("stem", 1, channels[0]!),
    ...channels.slice(1).map((to, i): ParameterSpecs => ({
      ...convolution(`stages.${i}.down`, channels[i]!, to),
      ...convolution(`stages.${i}.residual`, to, to),
    })),
    linearSpecs("features", channels.at(-1)!, features),
    linearSpecs("head", features, classes),
  );
}

/**
 * Applies a classifier: at each resolution a convolution with stride 2 and a residual one, then the mean over
 * the image, the features and the classes.
 *
 * @param images [B, H, W, 1] in [-1, 1]
 * @returns The output of the layer before the last [B, features], and logits [B, classes].
 */
export function applyClassifier(
  parameters: Parameters,
  images: tf.Tensor4D,
  { channels, normNumGroups: groups }: ClassifierConfig,
): { features: tf.Tensor2D; logits: tf.Tensor2D } {
  const convolution = (name: string, x: tf.Tensor4D, stride = 1) => {
    const y = conv2d(parameters, `${name}.conv`, x, { stride, padding: 1 });
    return silu(groupNorm(parameters, `${name}.norm`, y, { groups }));
  };
  let x = convolution("stem", images); // [B, H, W, channels[0]]
  for (let i = 0; i < channels.length - 1; i++) {
    x = convolution(`stages.${i}.down`, x, 2); // [B, H / 2, W / 2, channels[i + 1]]
    x = tf.add(x, convolution(`stages.${i}.residual`, x));
  }
  const pooled = tf.mean(x, [1, 2]); // [B, channels.at(-1)]
  const features = silu(linear(parameters, "features", pooled)) as tf.Tensor2D;
  return { features, logits: linear(parameters, "head", features) as tf.Tensor2D };
}
