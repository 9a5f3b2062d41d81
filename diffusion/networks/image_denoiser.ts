/** An image network compiled for sampling. */
import { usageError, UserError } from "../../base/errors.ts";
import type { Device } from "../../engine/device.ts";
import type * as tf from "../../engine/tf.ts";
import { float32, type HostArray, int32 } from "../../engine/tree.ts";
import { constants, type HostParameters } from "../../nn/parameters.ts";
import { classifierFreeGuidance, type Guidance } from "../guidance.ts";
import {
  applyNetwork,
  describeNetwork,
  ESTIMATE_RANGE,
  type ImageNetwork,
  type ImageNetworkConfig,
} from "./image_network.ts";
import { withoutLearnedVariance } from "../learned_variance.ts";
import type { Denoiser } from "../samplers/types.ts";
import { selfConditioningDenoiser, type X0Source } from "../self_conditioning.ts";

/** The condition of a denoiser. */
export interface Conditioning {
  /** The class of each sample, for a class-conditional model. */
  readonly classLabels?: Int32Array | undefined;
  /** The null class, if the model was trained with one. */
  readonly nullClass?: number | undefined;
  /** Classifier-free guidance towards the classes. @default none */
  readonly guidance?: Guidance | undefined;
  /** The relation of x0 to the model's output, for self-conditioning. */
  readonly x0Source?: X0Source | undefined;
  /** Whether predicted variances are kept, for ddpm with "learned_range". @default false */
  readonly keepVariance?: boolean | undefined;
}

/** A network's configuration and weights, such as a loaded model. */
export interface NetworkWithWeights {
  /** The configuration. */
  readonly config: ImageNetworkConfig;
  /** The weights. */
  readonly parameters: HostParameters;
}

/** A compiled network. Filling its condition in makes a {@linkcode Denoiser}, which samplers call. */
export interface CompiledDenoiser {
  /**
   * Fills the condition in.
   *
   * @returns A denoiser for one sampling; with self-conditioning it keeps its last estimate.
   * @throws {UserError} If a model without a null class should be guided.
   */
  condition(conditioning?: Conditioning): Denoiser;
  /** Releases its graphs. */
  dispose(): Promise<void>;
}

/**
 * Compiles a network for sampling. Its weights become constants of the graph, so that a device can
 * optimize their layout once.
 *
 * @param model What {@linkcode loadImageModel} returns, or a configuration and weights of one's own.
 * @param imageChannels The images' channels: see {@linkcode describeNetwork}.
 *
 * @example Two sneakers of the released model
 * ```ts
 * import {
 *   compileImageDenoiser,
 *   ddim,
 *   lastSample,
 *   loadCheckpoint,
 *   loadImageModel,
 *   openDevice,
 *   randomStream,
 * } from "@nanodiffusion/nanodiffusion";
 *
 * await using device = await openDevice("onnx");
 * const model = loadImageModel(await loadCheckpoint("checkpoints/fashion-mnist"));
 * const denoise = compileImageDenoiser(device, model).condition({ classLabels: Int32Array.of(7, 7) });
 * const noise = randomStream(0).normal(2 * 28 * 28);
 * await lastSample(ddim(denoise, noise, model.schedule, { numInferenceSteps: 2 })); // [2, 28, 28, 1]
 * ```
 */
export function compileImageDenoiser(
  device: Device,
  { config, parameters }: NetworkWithWeights,
  imageChannels?: number,
): CompiledDenoiser {
  const network = describeNetwork(config, imageChannels);
  const { height, width, channels } = network;
  type Inputs = Record<"x" | "timesteps", HostArray> & Record<"labels" | "estimates", HostArray[]>;
  const compiled = device.compile<Inputs, { output: HostArray }>(
    ({ x, timesteps, labels: [labels], estimates: [x0Estimate] }) => ({
      output: applyNetwork(constants(parameters), {
        x: x as tf.Tensor4D,
        timesteps: timesteps as tf.Tensor1D,
        classLabels: labels as tf.Tensor1D | undefined,
        x0Estimate,
      }, network),
    }),
  );
  const run: RunNetwork = async (x, timestep, labels, estimate) => {
    const count = x.length / (height * width * channels);
    const shape = [count, height, width, channels];
    const { output } = await compiled({
      x: float32(x, shape),
      timesteps: float32(new Float32Array(count).fill(timestep)),
      labels: labels === undefined ? [] : [int32(labels)],
      estimates: estimate === undefined ? [] : [float32(estimate, shape)],
    });
    return output.data as Float32Array;
  };
  return {
    condition: (conditioning = {}) => conditionNetwork(run, network, conditioning),
    dispose: () => compiled.dispose(),
  };
}

/** Runs a compiled network on samples [B, ...] with their labels [B] and the last estimate [B, ...]. */
type RunNetwork = (
  x: Float32Array,
  timestep: number,
  labels: Int32Array | undefined,
  estimate: Float32Array | undefined,
) => Promise<Float32Array>;

/** Fills the condition in, with guidance and self-conditioning where they apply. */
function conditionNetwork(
  run: RunNetwork,
  { height, width, channels, selfConditioning, learnedVariance }: ImageNetwork,
  { classLabels, nullClass, guidance, x0Source, keepVariance = false }: Conditioning,
): Denoiser {
  const learnedVarianceChannels = learnedVariance ? channels : undefined;
  let estimate: Float32Array | undefined; // the same for both denoisers of guidance
  const withLabels = (labels: Int32Array | undefined): Denoiser => (x, timestep) =>
    run(x, timestep, labels, estimate);
  let denoise = withLabels(classLabels);
  if (classLabels !== undefined && guidance !== undefined && guidance.guidanceScale !== 1) {
    if (nullClass === undefined) {
      throw usageError(
        `guidance with scale ${guidance.guidanceScale} needs a model that was trained with a null class`,
      );
    }
    denoise = classifierFreeGuidance({
      ...guidance,
      conditional: denoise,
      unconditional: withLabels(new Int32Array(classLabels.length).fill(nullClass)),
      sampleSize: height * width * channels,
      learnedVarianceChannels,
    });
  }
  if (selfConditioning) {
    if (x0Source === undefined) {
      throw new UserError("a model with self-conditioning needs x0Source, its schedule");
    }
    const guided = denoise;
    denoise = selfConditioningDenoiser(
      (x, timestep, x0Estimate) => {
        estimate = x0Estimate;
        return guided(x, timestep);
      },
      x0Source,
      { clipRange: ESTIMATE_RANGE, learnedVarianceChannels },
    );
  }
  return learnedVariance && !keepVariance ? withoutLearnedVariance(denoise, channels) : denoise;
}
