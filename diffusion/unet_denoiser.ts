/** A UNet with its weights, ready to be sampled from. */
import { usageError } from "../engine/errors.ts";
import type { Device } from "../engine/device.ts";
import type * as tf from "../engine/tf.ts";
import { float32, type HostArray, int32 } from "../engine/tree.ts";
import { constants, type HostParameters } from "../nn/parameters.ts";
import { classifierFreeGuidance } from "./guidance.ts";
import type { DenoiserFunction } from "./objective.ts";
import type { Denoiser } from "./samplers/types.ts";
import { unet } from "./unet.ts";
import { sizeOfSample, type UNetConfig } from "./unet_config.ts";

/** A UNet of classes as training wants it, the condition being `classLabels` [B]. */
export function trainableUNet(config: UNetConfig): DenoiserFunction {
  return (parameters, { x, timesteps, condition }) =>
    unet(parameters, {
      x: x as tf.Tensor4D,
      timesteps,
      classLabels: condition["classLabels"] as tf.Tensor1D,
    }, config);
}

/** How a denoiser is conditioned. */
export interface Conditioning {
  /** The class of each sample, for a class-conditional model. */
  readonly classLabels?: Int32Array;
  /** The class that stands for none, if the model was trained with one. */
  readonly nullClass?: number | undefined;
  /** Classifier-free guidance; 1 for none. @default 1 */
  readonly guidanceScale?: number;
}

/** A compiled UNet. */
export interface UNetDenoiser {
  /** Fills the condition in. */
  condition(conditioning?: Conditioning): Denoiser;
  /** Releases its graphs. */
  dispose(): Promise<void>;
}

/**
 * Compiles a UNet for sampling. Its weights become constants of the graph, which a device may then
 * rearrange once and for all.
 */
export function compileUNetDenoiser(
  device: Device,
  parameters: HostParameters,
  config: UNetConfig,
): UNetDenoiser {
  type Inputs = { x: HostArray; timesteps: HostArray; classLabels: HostArray[] };
  const compiled = device.compile<Inputs, { output: HostArray }>(
    ({ x, timesteps, classLabels: [labels] }) => ({
      output: unet(constants(parameters), {
        x: x as tf.Tensor4D,
        timesteps: timesteps as tf.Tensor1D,
        ...(labels === undefined ? {} : { classLabels: labels as tf.Tensor1D }),
      }, config),
    }),
  );
  const [height, width] = sizeOfSample(config.sampleSize);
  const pixels = height * width * config.inChannels;
  const withLabels = (labels: Int32Array | undefined): Denoiser => async (x, timestep) => {
    const count = x.length / pixels;
    const { output } = await compiled({
      x: float32(x, [count, height, width, config.inChannels]),
      timesteps: float32(new Float32Array(count).fill(timestep)),
      classLabels: labels === undefined ? [] : [int32(labels)],
    });
    return output.data as Float32Array;
  };
  return {
    condition: ({ classLabels, nullClass, guidanceScale = 1 } = {}) => {
      if (classLabels === undefined || guidanceScale === 1) return withLabels(classLabels);
      if (nullClass === undefined) {
        throw usageError(
          `--guidance ${guidanceScale} needs a model trained with a null class (--class-dropout ` +
            "above 0); use --guidance 1",
        );
      }
      return classifierFreeGuidance({
        conditional: withLabels(classLabels),
        unconditional: withLabels(new Int32Array(classLabels.length).fill(nullClass)),
        guidanceScale,
      });
    },
    dispose: () => compiled.dispose(),
  };
}
