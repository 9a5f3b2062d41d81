/** A common interface of the networks that denoise images: the UNet and the diffusion transformer. */
import { UserError } from "../../base/errors.ts";
import * as tf from "../../engine/tf.ts";
import type { Parameters, ParameterSpecs } from "../../nn/parameters.ts";
import { dit } from "./dit.ts";
import type { DitConfig } from "./dit_config.ts";
import { ditSpecs } from "./dit_specs.ts";
import type { TrainableDenoiser } from "../objective.ts";
import { selfConditioned, X0_ESTIMATE } from "../self_conditioning.ts";
import { unet, type UNetInputs, unetSpecs } from "./unet.ts";
import { sizeOfSample, type UNetConfig } from "./unet_config.ts";

/** The configuration of either network; {@linkcode isDit} distinguishes them. */
export type ImageNetworkConfig = UNetConfig | DitConfig;

/** Whether a configuration is that of a diffusion transformer. */
export function isDit(config: ImageNetworkConfig): config is DitConfig {
  return "patchSize" in config;
}

/** The properties of a network that training and sampling need. */
export interface ImageNetwork {
  /** The configuration. */
  readonly config: ImageNetworkConfig;
  /** The images' height in pixels. */
  readonly height: number;
  /** The images' width in pixels. */
  readonly width: number;
  /** The images' channels C; the network's input and output may have more. */
  readonly channels: number;
  /** Rows of the class embedding, including the null class; null for a model without classes. */
  readonly numClassEmbeds: number | null;
  /** Whether it receives its last estimate of x0: see self_conditioning.ts. */
  readonly selfConditioning: boolean;
  /** Whether it predicts variances: see learned_variance.ts. */
  readonly learnedVariance: boolean;
}

/** The magnitude that estimates for self-conditioning are clipped to, that of images. */
export const ESTIMATE_RANGE = 1;

/**
 * Derives a network's properties from its configuration. A UNet whose input has twice the images' channels
 * receives an estimate; a network whose output has twice as many predicts variances.
 *
 * @param channels The images' channels. @default the smaller of the input's and the output's channels
 * @throws {UserError} If input or output have another number of channels, the size is not known, or it is no
 * image network.
 */
export function describeNetwork(config: ImageNetworkConfig, channels?: number): ImageNetwork {
  const { inChannels } = config;
  const outChannels = config.outChannels ?? inChannels;
  const own = channels ?? Math.min(inChannels, outChannels);
  const taken = isDit(config) ? [own] : [own, 2 * own];
  if (!taken.includes(inChannels) || ![own, 2 * own].includes(outChannels)) {
    throw new UserError(
      `the network has ${inChannels} input and ${outChannels} output channels, which do not match ` +
        `images of ${own}`,
    );
  }
  const shape = { config, channels: own, learnedVariance: outChannels === 2 * own };
  if (!isDit(config)) {
    if (config.sampleSize === null) {
      throw new UserError("the network has no size of images: set sample_size in its config.json");
    }
    const [height, width] = sizeOfSample(config.sampleSize);
    const { numClassEmbeds } = config;
    return { ...shape, height, width, numClassEmbeds, selfConditioning: inChannels === 2 * own };
  }
  if (config.patchSize === null) {
    throw new UserError(
      "the diffusion transformer is for vectors (patchSize null), not for images",
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

/**
 * Applies a network to noisy images [B, H, W, C].
 *
 * @returns [B, H, W, C], or [B, H, W, 2 C] with variances.
 */
export function applyNetwork(
  parameters: Parameters,
  { x, timesteps, classLabels, x0Estimate }: UNetInputs & {
    /** The last estimate of x0, for self-conditioning. @default zeros */
    readonly x0Estimate?: tf.Tensor | undefined;
  },
  { config, selfConditioning }: ImageNetwork,
): tf.Tensor {
  if (isDit(config)) {
    return dit(parameters, { x, timesteps, classLabels, selfCondition: x0Estimate }, config);
  }
  const joined = selfConditioning ? tf.concat([x, x0Estimate ?? tf.zerosLike(x)], -1) : x;
  return unet(parameters, { x: joined as tf.Tensor4D, timesteps, classLabels }, config);
}

/**
 * A network for training, as losses call it; its condition is `classLabels` [B].
 *
 * @param channels The images' channels: see {@linkcode describeNetwork}.
 * @throws {UserError} As describeNetwork.
 */
export function trainableDenoiser(
  config: ImageNetworkConfig,
  channels?: number,
): TrainableDenoiser {
  const network = describeNetwork(config, channels);
  const denoise: TrainableDenoiser = (parameters, { x, timesteps, condition }) =>
    applyNetwork(parameters, {
      x: x as tf.Tensor4D,
      timesteps,
      classLabels: condition["classLabels"] as tf.Tensor1D | undefined,
      x0Estimate: condition[X0_ESTIMATE],
    }, network);
  return network.selfConditioning ? selfConditioned(denoise, ESTIMATE_RANGE) : denoise;
}
