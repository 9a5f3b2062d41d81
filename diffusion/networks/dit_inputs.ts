/** The inputs of a diffusion transformer and their check against its configuration. */
import { UserError } from "../../base/errors.ts";
import type * as tf from "../../engine/tf.ts";
import type { DitConfig } from "./dit_config.ts";

/** The inputs of a diffusion transformer. */
export interface DitInputs {
  /** Noisy samples: images [B, S, S, inChannels] in patch mode, [B, k, inChannels] in token mode. */
  readonly x: tf.Tensor;
  /** Timesteps [B]. */
  readonly timesteps: tf.Tensor1D;
  /** Classes [B], int32, for a model with classes; numEmbedsAdaNorm is the null class. */
  readonly classLabels?: tf.Tensor1D | undefined;
  /** Tokens of a condition [B, M, contextDim], for a model that attends to them. */
  readonly context?: tf.Tensor3D | undefined;
  /** 1 for tokens, 0 for padding [B, M]. @default 1 for all */
  readonly contextMask?: tf.Tensor2D | undefined;
  /** A pooled condition [B, pooledDim], for a model that is conditioned on one. */
  readonly pooled?: tf.Tensor2D | undefined;
  /** 1 where learned null vectors replace context and pooled condition [B]. @default 0 for all */
  readonly dropCondition?: tf.Tensor1D | undefined;
  /** The model's last estimate, of x's shape. @default zeros */
  readonly selfCondition?: tf.Tensor | undefined;
}

/**
 * Checks that inputs match a configuration.
 *
 * @throws {UserError} Naming the input that is missing, not used, or of another shape.
 */
export function checkDitInputs(inputs: DitInputs, config: DitConfig): void {
  const { sampleSize: size, patchSize, contextDim, contextLength, pooledDim } = config;
  const [batch] = inputs.timesteps.shape;
  const length = inputs.context?.shape[1] ?? 0;
  const check = (name: keyof DitInputs, used: boolean, shape: number[], optional = false) => {
    const given = inputs[name];
    if (given !== undefined && !used) {
      throw new UserError(`The DiT was given ${name}, which its configuration does not use.`);
    }
    if (given === undefined && used && !optional) {
      throw new UserError(`The DiT's configuration requires ${name}, which is missing.`);
    }
    if (given !== undefined && given.shape.join() !== shape.join()) {
      throw new UserError(`The DiT's ${name} has shape [${given.shape}]; it must be [${shape}].`);
    }
  };
  check("x", true, [batch, ...(patchSize === null ? [size] : [size, size]), config.inChannels]);
  check("classLabels", config.numEmbedsAdaNorm !== null, [batch]);
  check("context", contextDim !== null, [batch, length, contextDim!]);
  check("contextMask", contextDim !== null, [batch, length], true);
  check("pooled", pooledDim !== null, [batch, pooledDim!]);
  check("dropCondition", config.nullCondition, [batch], true);
  check("selfCondition", config.selfConditioning, inputs.x.shape, true);
  if (contextLength !== null && length > contextLength) {
    throw new UserError(
      `The DiT was given ${length} tokens of context, but has positions for ${contextLength} ` +
        "(contextLength): shorten the context or configure more positions.",
    );
  }
}
