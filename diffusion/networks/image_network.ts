/** The networks that denoise images, the UNet and the diffusion transformer on patches, as one. */
import { UserError } from "../../base/errors.ts";
import * as tf from "../../engine/tf.ts";
import type { Parameters, ParameterSpecs } from "../../nn/parameters.ts";
import { dit } from "./dit.ts";
import type { DitConfig } from "./dit_config.ts";
import { ditSpecs } from "./dit_specs.ts";
import type { DenoiserFunction } from "../objective.ts";
import { selfConditioned, X0_ESTIMATE } from "../self_conditioning.ts";
import { unet, unetSpecs } from "./unet.ts";
import { sizeOfSample, type UNetConfig } from "./unet_config.ts";

/** The configuration of either; {@linkcode isDit} tells which. */
export type ImageNetworkConfig = UNetConfig | DitConfig;

/** Whether a configuration is that of a diffusion transformer. */
export function isDit(config: ImageNetworkConfig): config is DitConfig {
  return "patchSize" in config;
}

/** What whoever trains or samples needs to know of a network. */
export interface ImageNetwork {
  /** The configuration. */
  readonly config: ImageNetworkConfig;
  /** The images' height in pixels. */
  readonly height: number;
  /** Their width. */
  readonly width: number;
  /** Their channels C: the network may take and give more. */
  readonly channels: number;
  /** Rows of the table of classes, one for no class included; null for a model without classes. */
  readonly numClassEmbeds: number | null;
  /** Whether it is shown its last estimate of x0: see self_conditioning.ts. */
  readonly selfConditioning: boolean;
  /** Whether it gives variances besides its prediction: see learned_variance.ts. */
  readonly learnedVariance: boolean;
}

/** How large estimates are that a model is shown, in training and in sampling: as images are. */
export const ESTIMATE_RANGE = 1;

/**
 * Reads off a configuration what a network takes and gives: a UNet with twice the images' channels as
 * its input is shown an estimate, a network with twice as many as its output gives variances.
 *
 * @param channels The images' channels. @default the smaller of the network's two numbers
 * @throws {UserError} If it takes or gives another number, or takes no images.
 */
export function describeNetwork(config: ImageNetworkConfig, channels?: number): ImageNetwork {
  const { inChannels } = config;
  const outChannels = config.outChannels ?? inChannels;
  const own = channels ?? Math.min(inChannels, outChannels);
  const taken = isDit(config) ? [own] : [own, 2 * own];
  if (!taken.includes(inChannels) || ![own, 2 * own].includes(outChannels)) {
    throw new UserError(
      `the network takes ${inChannels} channels and gives ${outChannels}, which does not go with ` +
        `images of ${own}`,
    );
  }
  const shape = { config, channels: own, learnedVariance: outChannels === 2 * own };
  if (!isDit(config)) {
    const [height, width] = sizeOfSample(config.sampleSize);
    const { numClassEmbeds } = config;
    return { ...shape, height, width, numClassEmbeds, selfConditioning: inChannels === 2 * own };
  }
  if (config.patchSize === null) {
    throw new UserError(
      "the diffusion transformer is one of vectors (patchSize null), not of images",
    );
  }
  return {
    ...shape,
    height: config.sampleSize,
    width: config.sampleSize,
    numClassEmbeds: config.numEmbedsAdaNorm === null ? null : config.numEmbedsAdaNorm + 1,
    selfConditioning: config.selfConditioning,
  };
}

/** The parameters of a network: names, shapes and initial values. */
export function networkSpecs(config: ImageNetworkConfig): ParameterSpecs {
  return isDit(config) ? ditSpecs(config) : unetSpecs(config);
}

/** What a network is applied to. */
export interface NetworkInputs {
  /** Noisy images [B, H, W, C]. */
  readonly x: tf.Tensor4D;
  /** Time steps [B]. */
  readonly timesteps: tf.Tensor1D;
  /** Classes [B], int32, for a model with classes. */
  readonly classLabels?: tf.Tensor1D | undefined;
  /** The last estimate of x0 [B, H, W, C], for a model that is shown it; zeros by default. */
  readonly x0Estimate?: tf.Tensor | undefined;
}

/**
 * Applies a network.
 *
 * @returns [B, H, W, C], or [B, H, W, 2 C] with variances.
 */
export function applyNetwork(
  parameters: Parameters,
  { x, timesteps, classLabels, x0Estimate }: NetworkInputs,
  { config, selfConditioning }: ImageNetwork,
): tf.Tensor {
  const labels = classLabels === undefined ? {} : { classLabels };
  if (isDit(config)) {
    const estimate = x0Estimate === undefined ? {} : { selfCondition: x0Estimate };
    return dit(parameters, { x, timesteps, ...labels, ...estimate }, config);
  }
  const joined = selfConditioning ? tf.concat([x, x0Estimate ?? tf.zerosLike(x)], -1) : x;
  return unet(parameters, { x: joined as tf.Tensor4D, timesteps, ...labels }, config);
}

/** A network as training wants it, the condition being `classLabels` [B]. */
export function trainableNetwork(network: ImageNetwork): DenoiserFunction {
  const denoise: DenoiserFunction = (parameters, { x, timesteps, condition }) =>
    applyNetwork(parameters, {
      x: x as tf.Tensor4D,
      timesteps,
      classLabels: condition["classLabels"] as tf.Tensor1D | undefined,
      x0Estimate: condition[X0_ESTIMATE],
    }, network);
  return network.selfConditioning
    ? selfConditioned(denoise, { as: "condition", clipRange: ESTIMATE_RANGE })
    : denoise;
}
