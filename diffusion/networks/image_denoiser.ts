/** A network with its weights, ready to be sampled from. */
import { usageError, UserError } from "../../base/errors.ts";
import type { Device } from "../../engine/device.ts";
import type * as tf from "../../engine/tf.ts";
import { float32, type HostArray, int32 } from "../../engine/tree.ts";
import { constants, type HostParameters } from "../../nn/parameters.ts";
import { classifierFreeGuidance, type GuidanceOptions } from "../guidance.ts";
import { applyNetwork, ESTIMATE_RANGE, type ImageNetwork } from "./image_network.ts";
import { withoutLearnedVariance } from "../learned_variance.ts";
import type { Denoiser } from "../samplers/types.ts";
import { selfConditioningDenoiser, type X0Source } from "../self_conditioning.ts";

/** How a denoiser is conditioned. */
export interface Conditioning extends Pick<GuidanceOptions, "guidanceRescale" | "interval"> {
  /** The class of each sample, for a class-conditional model. */
  readonly classLabels?: Int32Array;
  /** The class that stands for none, if the model was trained with one. */
  readonly nullClass?: number | undefined;
  /** Classifier-free guidance; 1 for none. @default 1 */
  readonly guidanceScale?: number;
  /** What x0 an output implies: for a model that is shown its last estimate. */
  readonly x0Source?: X0Source;
  /** Whether the variances that a model gives are kept, for ddpm with "learned_range". @default false */
  readonly keepVariance?: boolean;
}

/** A compiled network. */
export interface ImageDenoiser {
  /**
   * Fills the condition in.
   *
   * @returns A denoiser for one sampling: one that is shown its estimates remembers the last.
   * @throws {UserError} If guidance is asked of a model without a null class.
   */
  condition(conditioning?: Conditioning): Denoiser;
  /** Releases its graphs. */
  dispose(): Promise<void>;
}

/**
 * Compiles a network for sampling. Its weights become constants of the graph, which a device may then
 * rearrange once and for all.
 */
export function compileImageDenoiser(
  device: Device,
  parameters: HostParameters,
  network: ImageNetwork,
): ImageDenoiser {
  const { height, width, channels, selfConditioning, learnedVariance } = network;
  type Inputs = {
    x: HostArray;
    timesteps: HostArray;
    classLabels: HostArray[];
    estimates: HostArray[];
  };
  const compiled = device.compile<Inputs, { output: HostArray }>(
    ({ x, timesteps, classLabels: [labels], estimates: [x0Estimate] }) => ({
      output: applyNetwork(constants(parameters), {
        x: x as tf.Tensor4D,
        timesteps: timesteps as tf.Tensor1D,
        classLabels: labels as tf.Tensor1D | undefined,
        x0Estimate,
      }, network),
    }),
  );
  const sampleSize = height * width * channels;
  const ask = async (
    x: Float32Array,
    timestep: number,
    labels: Int32Array | undefined,
    estimate: Float32Array | undefined,
  ): Promise<Float32Array> => {
    const count = x.length / sampleSize;
    const shape = [count, height, width, channels];
    const { output } = await compiled({
      x: float32(x, shape),
      timesteps: float32(new Float32Array(count).fill(timestep)),
      classLabels: labels === undefined ? [] : [int32(labels)],
      estimates: estimate === undefined ? [] : [float32(estimate, shape)],
    });
    return output.data as Float32Array;
  };
  const variances = learnedVariance ? { learnedVarianceChannels: channels } : {};

  const condition = (
    { classLabels, nullClass, guidanceScale = 1, x0Source, keepVariance = false, ...guidance }:
      Conditioning = {},
  ): Denoiser => {
    let estimate: Float32Array | undefined; // both halves of guidance are shown the same
    const withLabels = (labels: Int32Array | undefined): Denoiser => (x, timestep) =>
      ask(x, timestep, labels, estimate);
    let denoise = withLabels(classLabels);
    if (classLabels !== undefined && guidanceScale !== 1) {
      if (nullClass === undefined) {
        throw usageError(
          `--guidance ${guidanceScale} needs a model trained with a null class (--class-dropout ` +
            "above 0); use --guidance 1",
        );
      }
      denoise = classifierFreeGuidance({
        conditional: denoise,
        unconditional: withLabels(new Int32Array(classLabels.length).fill(nullClass)),
        guidanceScale,
        ...guidance,
        sampleSize,
        ...variances,
      });
    }
    if (selfConditioning) {
      if (x0Source === undefined) {
        throw new UserError("a model that is shown its estimates needs x0Source, its schedule");
      }
      const guided = denoise;
      denoise = selfConditioningDenoiser(
        (x, timestep, x0Estimate) => {
          estimate = x0Estimate;
          return guided(x, timestep);
        },
        x0Source,
        { clipRange: ESTIMATE_RANGE, ...variances },
      );
    }
    return learnedVariance && !keepVariance ? withoutLearnedVariance(denoise, channels) : denoise;
  };
  return { condition, dispose: () => compiled.dispose() };
}
