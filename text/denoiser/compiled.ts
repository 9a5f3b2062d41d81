/** A denoiser of text latents, compiled with its weights for sampling. */
import type { Device, OnDevice } from "../../engine/device.ts";
import { usageError } from "../../base/errors.ts";
import * as tf from "../../engine/tf.ts";
import { float32, type HostArray, int32 } from "../../engine/tree.ts";
import { constants, type HostParameters } from "../../nn/parameters.ts";
import { classifierFreeGuidance } from "../../diffusion/guidance.ts";
import type { Denoiser } from "../../diffusion/samplers/types.ts";
import { selfConditioningDenoiser, type X0Source } from "../../diffusion/self_conditioning.ts";
import {
  CONDITION,
  denoiseLatents,
  DENOISER,
  ENCODER,
  latentCondition,
  latentWidthOf,
  readCondition,
  type TextDenoiserConfig,
} from "./network.ts";

export interface TextConditioning {
  /** The condition by name, as in a training batch: see trainableDenoiser. */
  readonly condition: Readonly<Record<string, HostArray>>;
  /** Clean blocks in front of those that are sampled [B, n k, d]. @default none */
  readonly given?: HostArray | undefined;
  /** The scale of classifier-free guidance; 1 for none. @default {1} */
  readonly guidanceScale?: number | undefined;
  readonly x0Source: X0Source; // how x0 follows from an output, for a model with self-conditioning
}

/** An encoded condition on the host: see ConditionStates. */
type States = { context: HostArray; contextMask: HostArray[]; pooled: HostArray };

type Inputs = {
  x: HostArray;
  timesteps: HostArray;
  /** Each of these has one entry or none. */
  given: HostArray[];
  states: States[];
  classLabels: HostArray[];
  dropCondition: HostArray[];
  estimate: HostArray[];
};

const listOf = <T>(value: T | undefined): T[] => value === undefined ? [] : [value];

/** The parameters under a prefix, with their full names. */
function withPrefix(parameters: HostParameters, prefix: string): HostParameters {
  return Object.fromEntries(Object.entries(parameters).filter(([name]) => name.startsWith(prefix)));
}

/** The denoiser as a graph: given blocks are put in front, and removed from the output. */
function denoiserGraph(weights: HostParameters, config: TextDenoiserConfig) {
  const width = latentWidthOf(config);
  return (inputs: OnDevice<Inputs>): { output: tf.Tensor } => {
    const { x, timesteps, given: [given], states: [states] } = inputs;
    const { classLabels: [labels], dropCondition: [drop], estimate: [estimate] } = inputs;
    const [batch, length] = x.shape as [number, number];
    const before = given?.shape[1] ?? 0;
    const join = (values: tf.Tensor, front: tf.Tensor) => tf.concat([front, values], 1);
    const flags = given === undefined ? undefined : join(
      tf.zeros([batch, length, 1]),
      tf.ones([batch, before, 1]),
    );
    const output = denoiseLatents(constants(weights), {
      x: (given === undefined ? x : join(x, given)) as tf.Tensor3D,
      timesteps: timesteps as tf.Tensor1D,
      given: flags,
      states: states && {
        context: states.context as tf.Tensor3D,
        pooled: states.pooled as tf.Tensor2D,
        contextMask: states.contextMask[0] as tf.Tensor2D | undefined,
      },
      classLabels: labels as tf.Tensor1D | undefined,
      dropCondition: drop as tf.Tensor1D | undefined,
      x0Estimate: estimate === undefined || given === undefined ? estimate : join(estimate, given),
    }, config);
    return { output: tf.slice(output, [0, before, 0], [batch, length, width]) };
  };
}

/** Compiles the encoding of conditions: by the condition's encoder, or from latents. */
function compileConditionEncoder(
  device: Device,
  weights: HostParameters,
  config: TextDenoiserConfig,
) {
  type Encoded = { context: HostArray; pooled: HostArray };
  const encodeTokens = device.compile<{ ids: HostArray; mask: HostArray }, Encoded>(
    ({ ids, mask }) => {
      const { context, pooled } = readCondition(
        constants(weights),
        ids as tf.Tensor2D,
        mask as tf.Tensor2D,
        config,
      );
      return { context, pooled };
    },
  );
  const encodeLatents = device.compile<{ latents: HostArray }, Encoded>(({ latents }) => {
    const { context, pooled } = latentCondition(latents as tf.Tensor3D);
    return { context: tf.clone(context), pooled };
  });
  const encode = async (
    condition: TextConditioning["condition"],
  ): Promise<States | undefined> => {
    const { [CONDITION.ids]: ids, [CONDITION.mask]: mask, [CONDITION.latents]: latents } =
      condition;
    if (ids !== undefined) {
      return { ...await encodeTokens({ ids, mask: mask! }), contextMask: [mask!] };
    }
    if (latents === undefined) return undefined;
    return { ...await encodeLatents({ latents }), contextMask: [] };
  };
  return {
    encode,
    dispose: async () => {
      await Promise.all([encodeTokens.dispose(), encodeLatents.dispose()]);
    },
  };
}

/** Compiles a denoiser for sampling. Its weights become constants of the graphs. */
export function compileTextDenoiser(
  device: Device,
  parameters: HostParameters,
  config: TextDenoiserConfig,
) {
  const width = latentWidthOf(config);
  const conditionEncoder = compileConditionEncoder(device, withPrefix(parameters, ENCODER), config);
  const denoise = device.compile<Inputs, { output: HostArray }>(
    denoiserGraph(withPrefix(parameters, DENOISER), config),
  );

  /**
   * Encodes a condition, once for all steps. The denoiser that this returns is for one pass of sampling:
   * with self-conditioning, it keeps the last estimate.
   */
  const condition = async (
    { condition, given, guidanceScale = 1, x0Source }: TextConditioning,
  ): Promise<Denoiser> => {
    const { [CONDITION.classLabels]: labels } = condition;
    const states = await conditionEncoder.encode(condition);
    if (guidanceScale !== 1 && states === undefined && labels === undefined) {
      throw usageError(`--guidance ${guidanceScale} needs a condition: use --guidance 1`);
    }
    const nullLabels = labels &&
      int32(new Int32Array(labels.data.length).fill(config.dit.numEmbedsAdaNorm!));
    let estimate: Float32Array | undefined; // the same for both halves of guidance
    const denoiser = (isDropped: boolean): Denoiser => async (x, timestep) => {
      const count = labels?.data.length ?? states?.context.shape[0] ?? given?.shape[0] ??
        x.length / (config.dit.sampleSize * width);
      const shape = [count, x.length / count / width, width];
      const drops = isDropped && states !== undefined;
      const { output } = await denoise({
        x: float32(x, shape),
        timesteps: float32(new Float32Array(count).fill(timestep)),
        given: listOf(given),
        states: listOf(states),
        classLabels: listOf(isDropped ? nullLabels : labels),
        dropCondition: drops ? [float32(new Float32Array(count).fill(1))] : [],
        estimate: listOf(estimate && float32(estimate, shape)),
      });
      return output.data as Float32Array;
    };
    const guided = classifierFreeGuidance({
      conditional: denoiser(false),
      unconditional: denoiser(true),
      guidanceScale,
    });
    if (!config.dit.selfConditioning) return guided;
    return selfConditioningDenoiser((x, timestep, x0Estimate) => {
      estimate = x0Estimate;
      return guided(x, timestep);
    }, x0Source);
  };
  const dispose = async () => {
    await Promise.all([conditionEncoder.dispose(), denoise.dispose()]);
  };
  return { condition, dispose };
}
