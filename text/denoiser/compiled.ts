/** A denoiser of text latents with its weights, ready to be sampled from. */
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

/** What is known of the texts that are to be made. */
export interface TextConditioning {
  /** The condition by name, as in a training batch: see trainableDenoiser. */
  readonly condition: Readonly<Record<string, HostArray>>;
  /** Clean blocks in front of those that are made [B, n k, d]. @default none */
  readonly given?: HostArray | undefined;
  /** Classifier-free guidance; 1 for none. @default 1 */
  readonly guidanceScale?: number;
  /** What x0 an output implies: for a model that is shown its last estimate. */
  readonly x0Source: X0Source;
}

/** A compiled denoiser. */
export interface CompiledTextDenoiser {
  /**
   * Reads a condition, once for all steps.
   *
   * @returns A denoiser for one sampling: one that is shown its estimates remembers the last.
   * @throws {UserError} If guidance is asked for without a condition.
   */
  condition(conditioning: TextConditioning): Promise<Denoiser>;
  /** Releases its graphs. */
  dispose(): Promise<void>;
}

/** A condition on the host, as the transformer hears it. */
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

/** Compiles a denoiser for sampling. Its weights become constants of the graphs. */
export function compileTextDenoiser(
  device: Device,
  parameters: HostParameters,
  config: TextDenoiserConfig,
): CompiledTextDenoiser {
  const weightsOf = (prefix: string) =>
    Object.fromEntries(Object.entries(parameters).filter(([name]) => name.startsWith(prefix)));
  const [denoiserWeights, encoderWeights] = [weightsOf(DENOISER), weightsOf(ENCODER)];
  const width = latentWidthOf(config);

  type Read = { ids: HostArray; mask: HostArray };
  type Found = { context: HostArray; pooled: HostArray };
  const read = device.compile<Read, Found>(({ ids, mask }) => {
    const states = readCondition(
      constants(encoderWeights),
      ids as tf.Tensor2D,
      mask as tf.Tensor2D,
      config,
    );
    return { context: states.context, pooled: states.pooled };
  });
  const summarise = device.compile<{ latents: HostArray }, Found>(({ latents }) => {
    const { context, pooled } = latentCondition(latents as tf.Tensor3D);
    return { context: tf.clone(context), pooled };
  });
  const denoise = device.compile<Inputs, { output: HostArray }>((inputs: OnDevice<Inputs>) => {
    const { x, timesteps, given: [given], states: [states] } = inputs;
    const { classLabels: [labels], dropCondition: [drop], estimate: [estimate] } = inputs;
    const [batch, length] = x.shape as [number, number];
    const before = given?.shape[1] ?? 0;
    const join = (values: tf.Tensor, front: tf.Tensor) => tf.concat([front, values], 1);
    const flags = given === undefined ? undefined : join(
      tf.zeros([batch, length, 1]),
      tf.ones([batch, before, 1]),
    );
    const output = denoiseLatents(constants(denoiserWeights), {
      x: (given === undefined ? x : join(x, given)) as tf.Tensor3D,
      timesteps: timesteps as tf.Tensor1D,
      given: flags,
      states: states && {
        context: states.context as tf.Tensor3D,
        pooled: states.pooled as tf.Tensor2D,
        ...(states.contextMask[0] === undefined
          ? {}
          : { contextMask: states.contextMask[0] as tf.Tensor2D }),
      },
      classLabels: labels as tf.Tensor1D | undefined,
      dropCondition: drop as tf.Tensor1D | undefined,
      x0Estimate: estimate === undefined || given === undefined ? estimate : join(estimate, given),
    }, config);
    return { output: tf.slice(output, [0, before, 0], [batch, length, width]) };
  });

  const condition = async (
    { condition, given, guidanceScale = 1, x0Source }: TextConditioning,
  ): Promise<Denoiser> => {
    const { [CONDITION.ids]: ids, [CONDITION.mask]: mask, [CONDITION.latents]: latents } =
      condition;
    const { [CONDITION.classLabels]: labels } = condition;
    const states: States | undefined = ids !== undefined
      ? { ...await read({ ids, mask: mask! }), contextMask: [mask!] }
      : latents !== undefined
      ? { ...await summarise({ latents }), contextMask: [] }
      : undefined;
    if (guidanceScale !== 1 && states === undefined && labels === undefined) {
      throw usageError(`--guidance ${guidanceScale} needs a condition: use --guidance 1`);
    }
    let estimate: Float32Array | undefined; // both halves of guidance are shown the same
    const ask = (dropped: boolean): Denoiser => async (x, timestep) => {
      const count = labels?.data.length ?? states?.context.shape[0] ?? given?.shape[0] ??
        x.length / (config.dit.sampleSize * width);
      const shape = [count, x.length / count / width, width];
      const nullLabels = (labels: HostArray) =>
        int32(new Int32Array(labels.data.length).fill(config.dit.numEmbedsAdaNorm!));
      const { output } = await denoise({
        x: float32(x, shape),
        timesteps: float32(new Float32Array(count).fill(timestep)),
        given: listOf(given),
        states: listOf(states),
        classLabels: listOf(labels && (dropped ? nullLabels(labels) : labels)),
        dropCondition: dropped && states !== undefined
          ? [float32(new Float32Array(count).fill(1))]
          : [],
        estimate: listOf(estimate && float32(estimate, shape)),
      });
      return output.data as Float32Array;
    };
    const guided = classifierFreeGuidance({
      conditional: ask(false),
      unconditional: ask(true),
      guidanceScale,
    });
    if (!config.dit.selfConditioning) return guided;
    return selfConditioningDenoiser((x, timestep, x0Estimate) => {
      estimate = x0Estimate;
      return guided(x, timestep);
    }, x0Source);
  };
  return {
    condition,
    dispose: async () => {
      await Promise.all([read.dispose(), summarise.dispose(), denoise.dispose()]);
    },
  };
}
