/** A UNet that even the cpu device trains in milliseconds: 4x4 pixels, two levels, attention, classes. */
import type { TrainableDenoiser } from "../diffusion/objective.ts";
import { unet, unetSpecs } from "../diffusion/networks/unet.ts";
import { UNET_DEFAULTS, type UNetConfig } from "../diffusion/networks/unet_config.ts";
import type * as tf from "../engine/tf.ts";
import { float32 } from "../engine/tree.ts";
import { type HostParameters, initParameters, type ParameterSpecs } from "../nn/parameters.ts";
import { randomStream } from "../nn/random.ts";

/** Its configuration: three classes, the last of which stands for none. */
export const TINY_UNET: UNetConfig = {
  ...UNET_DEFAULTS,
  sampleSize: 4,
  inChannels: 1,
  outChannels: 1,
  blockOutChannels: [4, 8],
  layersPerBlock: 1,
  downBlockTypes: ["DownBlock2D", "AttnDownBlock2D"],
  upBlockTypes: ["AttnUpBlock2D", "UpBlock2D"],
  attentionHeadDim: 4,
  normNumGroups: 2,
  numClassEmbeds: 3,
};

/** Its parameters' names and shapes. */
export const TINY_SPECS: ParameterSpecs = unetSpecs(TINY_UNET);

/** It as a training step sees it. */
export const denoiseTiny: TrainableDenoiser = (parameters, { x, timesteps, condition }) =>
  unet(parameters, {
    x: x as tf.Tensor4D,
    timesteps,
    classLabels: condition["classLabels"] as tf.Tensor1D,
  }, TINY_UNET);

/** The parameters that training starts from. */
export function untrained(): HostParameters {
  return initParameters(TINY_SPECS, randomStream(7));
}

/**
 * Parameters that are all random: those that start as zeros, so that a UNet's first output is 0, too.
 *
 * @param config Another UNet than the tiny one.
 */
export function randomParameters(config: UNetConfig = TINY_UNET): HostParameters {
  const specs = unetSpecs(config);
  return Object.fromEntries(
    Object.entries(initParameters(specs, randomStream(8))).map(([name, { data, shape }]) => {
      const noise = randomStream(9).stream(name).normal(data.length);
      return [name, float32(noise.map((z, i) => 0.2 * z + data[i]!), shape)];
    }),
  );
}
