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
import { checkDitInputs, type DitInputs } from "./dit_inputs.ts";
import { modulatedNorm, paddingBias, patchify, unpatchify } from "./dit_layers.ts";
import { patchPositions } from "./dit_positions.ts";
import { blockName, embeddingName, FREQUENCIES } from "./dit_specs.ts";

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
