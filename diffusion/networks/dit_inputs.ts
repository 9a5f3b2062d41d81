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

/** How a configuration treats an optional input. */
type Expectation = "required" | "allowed" | "unused";

/**
 * Checks that inputs match a configuration.
 *
 * @throws {UserError} Naming the input that is missing, not used, or of another shape.
 */
export function checkDitInputs(inputs: DitInputs, config: DitConfig): void {
  const { sampleSize: size, patchSize, inChannels, contextDim, pooledDim } = config;
  const [batch] = inputs.timesteps.shape;
  const grid = patchSize === null ? [size] : [size, size];
  requireShape("x", inputs.x, [batch, ...grid, inChannels]);

  const when = (wanted: boolean, expectation: Expectation = "required") =>
    wanted ? expectation : "unused";
  const expected: Record<Exclude<keyof DitInputs, "x" | "timesteps">, Expectation> = {
    classLabels: when(config.numEmbedsAdaNorm !== null),
    context: when(contextDim !== null),
    contextMask: when(contextDim !== null, "allowed"),
    pooled: when(pooledDim !== null),
    dropCondition: when(config.nullCondition, "allowed"),
    selfCondition: when(config.selfConditioning, "allowed"),
  };
  for (const [name, expectation] of Object.entries(expected)) {
    const given = inputs[name as keyof DitInputs] !== undefined;
    if (given && expectation === "unused") {
      throw new UserError(`The DiT was given ${name}, which its configuration does not use.`);
    }
    if (!given && expectation === "required") {
      throw new UserError(`The DiT's configuration requires ${name}, which is missing.`);
    }
  }

  const { classLabels, context, contextMask, pooled, dropCondition, selfCondition } = inputs;
  if (classLabels !== undefined) requireShape("classLabels", classLabels, [batch]);
  if (context !== undefined) {
    const length = context.shape[1];
    requireShape("context", context, [batch, length, contextDim!]);
    if (contextMask !== undefined) requireShape("contextMask", contextMask, [batch, length]);
    const { contextLength } = config;
    if (contextLength !== null && length > contextLength) {
      throw new UserError(
        `The DiT was given ${length} tokens of context, but has positions for ${contextLength} ` +
          "(contextLength): shorten the context or configure more positions.",
      );
    }
  }
  if (pooled !== undefined) requireShape("pooled", pooled, [batch, pooledDim!]);
  if (dropCondition !== undefined) requireShape("dropCondition", dropCondition, [batch]);
  if (selfCondition !== undefined) requireShape("selfCondition", selfCondition, inputs.x.shape);
}

function requireShape(name: string, { shape }: tf.Tensor, wanted: readonly number[]): void {
  if (shape.join() !== wanted.join()) {
    throw new UserError(`The DiT's ${name} has shape [${shape}]; it must be [${wanted}].`);
  }
}
