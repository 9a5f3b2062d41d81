/**
 * The diffusion transformer (Peebles and Xie 2023, arXiv:2212.09748) with adaLN-zero, over patches of
 * images or over rows of latent vectors. Parameters have the names and shapes of diffusers'
 * DiTTransformer2DModel, with which it agrees; beyond that it hears the tokens of a condition, takes a
 * pooled condition into the time embedding, and its own last estimate.
 */
import * as tf from "../../engine/tf.ts";
import { geluTanh, silu } from "../../nn/activations.ts";
import { attention } from "../../nn/attention.ts";
import { linear } from "../../nn/layers.ts";
import { standardizeRows } from "../../nn/layer_norm.ts";
import { lookup } from "../../nn/lookup.ts";
import { parameter, type Parameters } from "../../nn/parameters.ts";
import { timestepEmbedding } from "../../nn/timestep_embedding.ts";
import { type DitConfig, ditWidth } from "./dit_config.ts";
import { blockName, embeddingName, FREQUENCIES } from "./dit_specs.ts";
import { UserError } from "../../base/errors.ts";
import { layerNormForward } from "../../engine/fused_text.ts";

/** Added to the variances where diffusers has a number of its own. */
const EPSILON = 1e-6;

/** A condition's tokens on their way through the blocks. */
interface Context {
  /** [B, M, width] */
  readonly tokens: tf.Tensor3D;
  /** 1 for tokens, 0 for padding: [B, M]. */
  readonly mask: tf.Tensor2D | undefined;
}

/**
 * Applies a diffusion transformer.
 *
 * @returns [B, S, S, outChannels] in patch mode, [B, k, outChannels] in token mode.
 * @throws {UserError} If an input that the configuration asks for is missing, one is given that it has
 * no use for, or one has another shape.
 */
export function dit(parameters: Parameters, inputs: DitInputs, config: DitConfig): tf.Tensor {
  checkDitInputs(inputs, config);
  const embed = conditionEmbeddings(parameters, inputs, config);
  const context = embedContext(parameters, inputs, config);
  const inContext = config.contextMode === "in_context" ? context : undefined;
  const samples = embedSamples(parameters, inputs, config);
  const [batch, length, width] = samples.shape;

  let h = inContext === undefined ? samples : tf.concat([inContext.tokens, samples], 1);
  const bias = paddingBias(inContext?.mask, length);
  const crossContext = inContext === undefined ? context : undefined;
  for (let layer = 0; layer < config.numLayers; layer++) {
    h = block(parameters, layer, { h, bias, active: embed(layer), context: crossContext, config });
  }
  const before = h.shape[1] - length;
  if (before > 0) h = tf.slice(h, [0, before, 0], [batch, length, width]);

  const modulation = linear(parameters, "proj_out_1", embed(0)); // [B, 2 * width]
  const [shift, scale] = split(modulation, 2) as [tf.Tensor3D, tf.Tensor3D];
  const output = linear(parameters, "proj_out_2", modulatedNorm(h, shift, scale, EPSILON));
  const { patchSize } = config;
  return patchSize === null ? output : unpatchify(output as tf.Tensor3D, patchSize);
}

/** [B, count * C] as `count` tensors [B, 1, C]. */
function split(x: tf.Tensor, count: number): tf.Tensor[] {
  return tf.split(tf.reshape(x, [x.shape[0]!, 1, -1]), count, -1);
}

/** Patches or vectors as tokens that hold their positions [B, N, width]. */
function embedSamples(
  parameters: Parameters,
  { x, selfCondition }: DitInputs,
  config: DitConfig,
): tf.Tensor3D {
  const { patchSize } = config;
  const joined = config.selfConditioning
    ? tf.concat([x, selfCondition ?? tf.zerosLike(x)], -1) as tf.Tensor
    : x;
  if (patchSize === null) {
    const positions = parameter(parameters, "pos_embed.pos_embed");
    return tf.add(linear(parameters, "pos_embed.proj", joined), positions) as tf.Tensor3D;
  }
  const width = ditWidth(config);
  const side = config.sampleSize / patchSize;
  const weight = tf.transpose(parameter(parameters, "pos_embed.proj.weight"), [0, 2, 3, 1]);
  const projection = {
    "proj.weight": tf.reshape(weight, [width, -1]), // [width, size * size * C]
    "proj.bias": parameter(parameters, "pos_embed.proj.bias"),
  };
  const patches = patchify(joined as tf.Tensor4D, patchSize);
  const positions = tf.tensor3d(patchPositions(side, width), [1, side * side, width]);
  return tf.add(linear(projection, "proj", patches), positions) as tf.Tensor3D;
}

/** What replaces a condition [B, ...] that is dropped: `drop` [B] is 1 there. */
function orNull(
  condition: tf.Tensor,
  drop: tf.Tensor1D | undefined,
  parameters: Parameters,
  name: string,
): tf.Tensor {
  if (drop === undefined) return condition;
  const ones = Array(condition.rank - 1).fill(1);
  const dropped = tf.reshape(tf.cast(drop, "float32"), [-1, ...ones]); // [B, 1, ...]
  // Not a sum of products: what is dropped may hold anything, even NaN.
  const instead = tf.broadcastTo(parameter(parameters, name), condition.shape);
  return tf.where(tf.broadcastTo(tf.greater(dropped, 0), condition.shape), instead, condition);
}

/** The tokens of the condition [B, M, width]. */
function embedContext(
  parameters: Parameters,
  { context, contextMask: mask, dropCondition }: DitInputs,
  config: DitConfig,
): Context | undefined {
  if (context === undefined) return undefined;
  const given = orNull(context, dropCondition, parameters, "null_context");
  const projected = linear(parameters, "context_embedder", given) as tf.Tensor3D;
  if (config.contextLength === null) return { tokens: projected, mask };
  const positions = tf.slice(
    parameter(parameters, "context_embedder.pos_embed") as tf.Tensor3D,
    [0, 0, 0],
    [1, context.shape[1], ditWidth(config)],
  );
  return { tokens: tf.add(projected, positions), mask };
}

/** For each block SiLU of the sum of the embeddings of time, class and pooled condition [B, width]. */
function conditionEmbeddings(
  parameters: Parameters,
  { timesteps, classLabels, pooled, dropCondition }: DitInputs,
  config: DitConfig,
): (layer: number) => tf.Tensor {
  const frequencies = timestepEmbedding(timesteps, FREQUENCIES, { flipSinToCos: true });
  const twoLayers = (name: string, x: tf.Tensor) =>
    linear(parameters, `${name}.linear_2`, silu(linear(parameters, `${name}.linear_1`, x)));
  const known = new Map<string, tf.Tensor>();
  return (layer) => {
    const name = embeddingName(layer, config);
    let active = known.get(name);
    if (active === undefined) {
      let sum = twoLayers(`${name}.timestep_embedder`, frequencies);
      if (classLabels !== undefined) {
        const table = parameter(parameters, `${name}.class_embedder.embedding_table.weight`);
        sum = tf.add(sum, lookup(table as tf.Tensor2D, classLabels));
      }
      if (pooled !== undefined) {
        const given = orNull(pooled, dropCondition, parameters, "null_pooled");
        sum = tf.add(sum, twoLayers(`${name}.pooled_embedder`, given));
      }
      active = silu(sum);
      known.set(name, active);
    }
    return active;
  };
}

/** Attention with its projections; what is heard comes from `source` [B, M, width]. */
function attend(
  parameters: Parameters,
  name: string,
  [x, source]: readonly [tf.Tensor, tf.Tensor],
  bias: tf.Tensor | undefined,
  heads: number,
): tf.Tensor {
  // Apart, because joining the weights and taking the result apart costs more than it saves.
  const q = linear(parameters, `${name}.to_q`, x) as tf.Tensor3D;
  const k = linear(parameters, `${name}.to_k`, source) as tf.Tensor3D;
  const v = linear(parameters, `${name}.to_v`, source) as tf.Tensor3D;
  const heard = attention(q, k, v, { heads, ...(bias === undefined ? {} : { bias }) });
  return linear(parameters, `${name}.to_out.0`, heard);
}

/** One block. */
function block(
  parameters: Parameters,
  layer: number,
  { h, bias, active, context, config }: {
    h: tf.Tensor3D;
    bias: tf.Tensor | undefined;
    active: tf.Tensor;
    context: Context | undefined;
    config: DitConfig;
  },
): tf.Tensor3D {
  const name = blockName(layer);
  const { numAttentionHeads: heads, normEps } = config;
  const modulation = split(linear(parameters, `${name}.norm1.linear`, active), 6);
  const [shift, scale, gate] = modulation as [tf.Tensor3D, tf.Tensor3D, tf.Tensor3D];
  const [shiftMlp, scaleMlp, gateMlp] = modulation.slice(3) as [
    tf.Tensor3D,
    tf.Tensor3D,
    tf.Tensor3D,
  ];
  const normed = modulatedNorm(h, shift, scale, EPSILON);
  const heard = attend(parameters, `${name}.attn1`, [normed, normed], bias, heads);
  let result = tf.add(h, tf.mul(heard, gate)) as tf.Tensor3D;
  if (context !== undefined) {
    const { tokens, mask } = context;
    const query = standardizeRows(result, { epsilon: normEps });
    const crossBias = paddingBias(mask, 0);
    const crossed = attend(parameters, `${name}.attn2`, [query, tokens], crossBias, heads);
    result = tf.add(result, crossed) as tf.Tensor3D;
  }
  const modulated = modulatedNorm(result, shiftMlp, scaleMlp, normEps);
  const inner = geluTanh(linear(parameters, `${name}.ff.net.0.proj`, modulated));
  return tf.add(result, tf.mul(linear(parameters, `${name}.ff.net.2`, inner), gateMlp));
}

/** The longest wavelength is 2 pi times this. */
const MAX_PERIOD = 10000;

/**
 * Sines and cosines of the places of patches in a square grid (Peebles and Xie 2023, section 3.2; He et
 * al. 2022, arXiv:2111.06377). The first half of the features is the column's, the second the row's,
 * sines before cosines in each.
 *
 * @param side Patches in a row.
 * @param width Features, a multiple of 4.
 * @returns [side * side, width], row by row.
 */
export function patchPositions(side: number, width: number): Float32Array {
  const quarter = width / 4;
  const positions = new Float32Array(side * side * width);
  const waves = (place: number, at: number) => {
    for (let i = 0; i < quarter; i++) {
      const angle = place / MAX_PERIOD ** (i / quarter);
      positions[at + i] = Math.sin(angle);
      positions[at + quarter + i] = Math.cos(angle);
    }
  };
  for (let row = 0; row < side; row++) {
    for (let column = 0; column < side; column++) {
      const at = (row * side + column) * width;
      waves(column, at);
      waves(row, at + width / 2);
    }
  }
  return positions;
}

/** What a diffusion transformer is applied to. */
export interface DitInputs {
  /** Noisy samples: images [B, S, S, inChannels] in patch mode, [B, k, inChannels] in token mode. */
  readonly x: tf.Tensor;
  /** Time steps [B]. */
  readonly timesteps: tf.Tensor1D;
  /** Classes [B], int32, for a model with classes; numEmbedsAdaNorm is the null class. */
  readonly classLabels?: tf.Tensor1D;
  /** Tokens of a condition [B, M, contextDim], for a model that hears them. */
  readonly context?: tf.Tensor3D;
  /** 1 for tokens, 0 for padding [B, M]; all are tokens by default. */
  readonly contextMask?: tf.Tensor2D;
  /** A pooled condition [B, pooledDim], for a model that takes one. */
  readonly pooled?: tf.Tensor2D;
  /** 1 where learned null vectors stand for context and pooled condition [B]; 0 by default. */
  readonly dropCondition?: tf.Tensor1D;
  /** The model's last estimate, of x's shape; zeros by default. */
  readonly selfCondition?: tf.Tensor;
}

/** What a configuration wants of each optional input. */
type Expectation = "required" | "allowed" | "unused";

/**
 * Checks that inputs are those of a configuration.
 *
 * @throws {UserError} Naming the input that is missing, of no use, or of another shape.
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
      throw new UserError(`The DiT was given ${name}, which its configuration has no use for.`);
    }
    if (!given && expectation === "required") {
      throw new UserError(`The DiT's configuration asks for ${name}, which is missing.`);
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
        `The DiT was given ${length} tokens of context, and has positions for ${contextLength} ` +
          "(contextLength): cut the context, or configure more.",
      );
    }
  }
  if (pooled !== undefined) requireShape("pooled", pooled, [batch, pooledDim!]);
  if (dropCondition !== undefined) requireShape("dropCondition", dropCondition, [batch]);
  if (selfCondition !== undefined) requireShape("selfCondition", selfCondition, inputs.x.shape);
}

function requireShape(name: string, { shape }: tf.Tensor, wanted: readonly number[]): void {
  if (shape.join() !== wanted.join()) {
    throw new UserError(`The DiT's ${name} has shape [${shape}]; [${wanted}] is wanted.`);
  }
}

/** Added to the scores of positions that must not be heard. */
const MASKED = -1e9;

/**
 * Layer normalization, scaled and shifted by the condition: y (1 + scale) + shift with y of mean 0 and
 * variance 1 (Peebles and Xie 2023, section 3.2, "adaLN"). The gradient is stated: a few passes over
 * the tensor where autodiff's chain has one for each of its operations.
 *
 * @param x [B, N, C]
 * @param shift [B, 1, C]
 * @param scale [B, 1, C]
 * @param epsilon Added to the variance.
 * @returns [B, N, C]
 */
export function modulatedNorm(
  x: tf.Tensor3D,
  shift: tf.Tensor3D,
  scale: tf.Tensor3D,
  epsilon: number,
): tf.Tensor3D {
  const [batch, length, channels] = x.shape;
  const constant = (value: number) => tf.tensor1d(new Float32Array(channels).fill(value));
  const op = tf.customGrad((...args) => {
    const [x, shift, scale, save] = args as [tf.Tensor3D, tf.Tensor3D, tf.Tensor3D, unknown];
    const rows = tf.reshape(x, [batch * length, channels]) as tf.Tensor2D;
    const normed = layerNormForward(rows, constant(1), constant(0), epsilon);
    const y = tf.reshape(normed.y, x.shape);
    const inverse = tf.reshape(normed.inverse, [batch, length, 1]);
    const factor = tf.add(scale, 1);
    (save as tf.GradSaveFunc)([y, inverse, factor]);
    return {
      value: tf.add(tf.mul(y, factor), shift),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const [y, inverse, factor] = saved as [tf.Tensor3D, tf.Tensor3D, tf.Tensor3D];
        // With g = dy * factor: dx = inverse * (g - mean(g) - y * mean(g * y)), means over C.
        const product = tf.mul(dy, y);
        const column = tf.reshape(tf.mul(factor, 1 / channels), [batch, channels, 1]);
        const meanGradient = tf.matMul(dy as tf.Tensor3D, column as tf.Tensor3D); // [B, N, 1]
        const meanProjection = tf.matMul(product as tf.Tensor3D, column as tf.Tensor3D);
        const centered = tf.sub(tf.mul(dy, factor), meanGradient);
        const dx = tf.mul(tf.sub(centered, tf.mul(y, meanProjection)), inverse);
        return [dx, tf.sum(dy, 1, true), tf.sum(product, 1, true)];
      },
    };
  });
  return op(x, shift, scale) as tf.Tensor3D;
}

/**
 * What to add to scores so that padding is not heard.
 *
 * @param mask 1 for tokens, 0 for padding: [B, M], or undefined if there is none.
 * @param own Positions after them that are always heard.
 * @returns [B, 1, 1, M + own], or undefined without a mask.
 */
export function paddingBias(mask: tf.Tensor2D | undefined, own: number): tf.Tensor | undefined {
  if (mask === undefined) return undefined;
  const [batch, length] = mask.shape;
  const hidden = tf.mul(tf.sub(1, tf.cast(mask, "float32")), MASKED);
  const bias = own === 0 ? hidden : tf.concat([hidden, tf.zeros([batch, own])], 1);
  return tf.reshape(bias, [batch, 1, 1, length + own]);
}

/**
 * Cuts images into patches.
 *
 * @param x [B, S, S, C]
 * @param size Side of a patch; it divides S.
 * @returns [B, (S / size)^2, size * size * C]: patches row by row, the pixels of each row by row.
 */
export function patchify(x: tf.Tensor4D, size: number): tf.Tensor3D {
  const [batch, side, , channels] = x.shape;
  const count = side / size;
  const rows = tf.reshape(x, [batch, count, size, count, size * channels]);
  const patches = tf.transpose(rows, [0, 1, 3, 2, 4]); // [B, row, column, row of pixels, rest]
  return tf.reshape(patches, [batch, count * count, size * size * channels]);
}

/**
 * Puts images together again: the inverse of {@linkcode patchify}.
 *
 * @param x [B, n^2, size * size * C]
 * @returns [B, n * size, n * size, C]
 */
export function unpatchify(x: tf.Tensor3D, size: number): tf.Tensor4D {
  const [batch, patches, features] = x.shape;
  const count = Math.sqrt(patches);
  const channels = features / size ** 2;
  const rows = tf.reshape(x, [batch, count, count, size, size * channels]);
  const pixels = tf.transpose(rows, [0, 1, 3, 2, 4]); // [B, row, row of pixels, column, rest]
  return tf.reshape(pixels, [batch, count * size, count * size, channels]);
}
