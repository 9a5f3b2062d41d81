/**
 * The diffusion transformer (Peebles and Xie 2023, arXiv:2212.09748) with adaLN-zero, on patches of images
 * or on sequences of latent vectors. Parameters have the names and shapes of diffusers'
 * DiTTransformer2DModel, and outputs agree with it. In addition it can attend to the tokens of a
 * condition, add a pooled condition to the time embedding, and receive its own last estimate.
 */
import * as tf from "../../engine/tf.ts";
import { geluTanh, silu } from "../../nn/activations.ts";
import { attention } from "../../nn/attention.ts";
import { linear, lookup } from "../../nn/layers.ts";
import { standardizeRows } from "../../nn/layer_norm.ts";
import { parameter, type Parameters } from "../../nn/parameters.ts";
import { timestepEmbedding } from "../../nn/timestep_embedding.ts";
import { layerNormForward } from "../../engine/fused_text.ts";
import { type DitConfig, ditWidth } from "./dit_config.ts";
import { checkDitInputs, type DitInputs } from "./dit_inputs.ts";
import { blockName, embeddingName, FREQUENCIES } from "./dit_specs.ts";
import { patchify, patchPositions, unpatchify } from "./patches.ts";

/** Added to the variances of norms where diffusers ignores normEps. */
const EPSILON = 1e-6;

/**
 * Applies a diffusion transformer.
 *
 * @returns [B, S, S, outChannels] in patch mode, [B, k, outChannels] in token mode.
 * @throws {UserError} If an input is missing that the configuration requires, is given that it does not
 * use, or has another shape.
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
    const embedding = embed(layer);
    h = block(parameters, layer, { h, bias, embedding, context: crossContext, config });
  }
  const before = h.shape[1] - length;
  if (before > 0) h = tf.slice(h, [0, before, 0], [batch, length, width]);

  const modulation = linear(parameters, "proj_out_1", embed(0)); // [B, 2 * width]
  const [shift, scale] = split(modulation, 2) as [tf.Tensor3D, tf.Tensor3D];
  const output = linear(parameters, "proj_out_2", modulatedNorm(h, shift, scale, EPSILON));
  const { patchSize } = config;
  return patchSize === null ? output : unpatchify(output as tf.Tensor3D, patchSize);
}

/** Patches or vectors as tokens with position embeddings [B, N, width]. */
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

/** Embeds the tokens of the condition [B, M, width]; its mask [B, M] is 1 for tokens, 0 for padding. */
function embedContext(
  parameters: Parameters,
  { context, contextMask: mask, dropCondition }: DitInputs,
  config: DitConfig,
) {
  if (context === undefined) return undefined;
  const given = orNull(context, dropCondition, parameters, "null_context");
  const projected = linear(parameters, "context_embedder", given) as tf.Tensor3D;
  if (config.contextLength === null) return { tokens: projected, mask };
  const positions = tf.slice(
    parameter(parameters, "context_embedder.pos_embed") as tf.Tensor3D,
    [0, 0, 0],
    [1, context.shape[1], ditWidth(config)],
  );
  return { tokens: tf.add(projected, positions) as tf.Tensor3D, mask };
}

/** For each block: SiLU of the sum of the embeddings of time, class and pooled condition [B, width]. */
function conditionEmbeddings(
  parameters: Parameters,
  { timesteps, classLabels, pooled, dropCondition }: DitInputs,
  config: DitConfig,
): (layer: number) => tf.Tensor {
  const frequencies = timestepEmbedding(timesteps, FREQUENCIES, { flipSinToCos: true });
  const twoLayers = (name: string, x: tf.Tensor) =>
    linear(parameters, `${name}.linear_2`, silu(linear(parameters, `${name}.linear_1`, x)));
  const computed = new Map<string, tf.Tensor>();
  return (layer) => {
    const name = embeddingName(layer, config);
    let embedding = computed.get(name);
    if (embedding === undefined) {
      let sum = twoLayers(`${name}.timestep_embedder`, frequencies);
      if (classLabels !== undefined) {
        const table = parameter(parameters, `${name}.class_embedder.embedding_table.weight`);
        sum = tf.add(sum, lookup(table as tf.Tensor2D, classLabels));
      }
      if (pooled !== undefined) {
        const given = orNull(pooled, dropCondition, parameters, "null_pooled");
        sum = tf.add(sum, twoLayers(`${name}.pooled_embedder`, given));
      }
      embedding = silu(sum);
      computed.set(name, embedding);
    }
    return embedding;
  };
}

/** Replaces a condition [B, ...] by a learned null vector where `drop` [B] is 1. */
function orNull(
  condition: tf.Tensor,
  drop: tf.Tensor1D | undefined,
  parameters: Parameters,
  name: string,
): tf.Tensor {
  if (drop === undefined) return condition;
  const ones = Array(condition.rank - 1).fill(1);
  const dropped = tf.reshape(tf.cast(drop, "float32"), [-1, ...ones]); // [B, 1, ...]
  // Not a sum of products, since a dropped condition may contain NaN.
  const nullVector = tf.broadcastTo(parameter(parameters, name), condition.shape);
  return tf.where(tf.broadcastTo(tf.greater(dropped, 0), condition.shape), nullVector, condition);
}

/** The modulation of a layer, each [B, 1, width]. */
type Modulation = [shift: tf.Tensor3D, scale: tf.Tensor3D, gate: tf.Tensor3D];

function block(
  parameters: Parameters,
  layer: number,
  { h, bias, embedding, context, config }: {
    h: tf.Tensor3D;
    bias: tf.Tensor | undefined;
    embedding: tf.Tensor;
    context: ReturnType<typeof embedContext>;
    config: DitConfig;
  },
): tf.Tensor3D {
  const name = blockName(layer);
  const { numAttentionHeads: heads, normEps } = config;
  const modulation = split(linear(parameters, `${name}.norm1.linear`, embedding), 6);
  const [shift, scale, gate] = modulation as Modulation;
  const [shiftMlp, scaleMlp, gateMlp] = modulation.slice(3) as Modulation;
  const normed = modulatedNorm(h, shift, scale, EPSILON);
  const attended = attend(parameters, `${name}.attn1`, [normed, normed], bias, heads);
  let result = tf.add(h, tf.mul(attended, gate)) as tf.Tensor3D;
  if (context !== undefined) {
    const { tokens, mask } = context;
    const query = standardizeRows(result, normEps);
    const crossBias = paddingBias(mask, 0);
    const crossAttended = attend(parameters, `${name}.attn2`, [query, tokens], crossBias, heads);
    result = tf.add(result, crossAttended) as tf.Tensor3D;
  }
  const modulated = modulatedNorm(result, shiftMlp, scaleMlp, normEps);
  const inner = geluTanh(linear(parameters, `${name}.ff.net.0.proj`, modulated));
  return tf.add(result, tf.mul(linear(parameters, `${name}.ff.net.2`, inner), gateMlp));
}

/** Attention of x to `source` [B, M, width], with its projections. */
function attend(
  parameters: Parameters,
  name: string,
  [x, source]: readonly [tf.Tensor, tf.Tensor],
  bias: tf.Tensor | undefined,
  heads: number,
): tf.Tensor {
  // Three products, since joining the weights and splitting the result costs more than it saves.
  const q = linear(parameters, `${name}.to_q`, x) as tf.Tensor3D;
  const k = linear(parameters, `${name}.to_k`, source) as tf.Tensor3D;
  const v = linear(parameters, `${name}.to_v`, source) as tf.Tensor3D;
  const attended = attention(q, k, v, { heads, bias });
  return linear(parameters, `${name}.to_out.0`, attended);
}

/** Added to the attention scores of padding. */
const MASKED = -1e9;

/**
 * Layer normalization, scaled and shifted by the condition: y (1 + scale) + shift with y of mean 0 and
 * variance 1 (Peebles and Xie 2023, section 3.2, "adaLN"). It has an explicit gradient, which takes fewer
 * passes over the tensor than autodiff.
 *
 * @param x [B, N, C]; shift and scale are [B, 1, C].
 * @param epsilon Added to the variance.
 */
function modulatedNorm(
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
 * The bias of attention scores that excludes padding [B, 1, 1, M + own], if there is a mask [B, M].
 *
 * @param own The number of positions after the masked ones that are never excluded.
 */
export function paddingBias(mask: tf.Tensor2D | undefined, own: number): tf.Tensor | undefined {
  if (mask === undefined) return undefined;
  const [batch, length] = mask.shape;
  const hidden = tf.mul(tf.sub(1, tf.cast(mask, "float32")), MASKED);
  const bias = own === 0 ? hidden : tf.concat([hidden, tf.zeros([batch, own])], 1);
  return tf.reshape(bias, [batch, 1, 1, length + own]);
}

/** Splits [B, count * C] into `count` tensors [B, 1, C]. */
function split(x: tf.Tensor, count: number): tf.Tensor[] {
  return tf.split(tf.reshape(x, [x.shape[0]!, 1, -1]), count, -1);
}
