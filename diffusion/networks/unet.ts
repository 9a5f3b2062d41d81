/**
 * The UNet of DDPM (Ho et al. 2020, appendix B) in the form of diffusers' UNet2DModel: residual blocks with
 * group normalization and SiLU, self-attention at chosen resolutions, and the time embedding added in each
 * residual block. Parameters have diffusers' names and shapes.
 *
 * Each block except the last halves height and width, without padding: FashionMNIST's 28x28 pixels can be
 * halved twice, to 14 and 7.
 */
import { UserError } from "../../base/errors.ts";
import * as tf from "../../engine/tf.ts";
import { silu } from "../../nn/activations.ts";
import { selfAttention } from "../../nn/attention.ts";
import { groupNorm } from "../../nn/group_norm.ts";
import {
  conv2d,
  conv2dSpecs,
  embedding,
  embeddingSpecs,
  linear,
  linears,
  linearSpecs,
  normSpecs,
} from "../../nn/layers.ts";
import type { Parameters, ParameterSpecs } from "../../nn/parameters.ts";
import { timestepEmbedding } from "../../nn/timestep_embedding.ts";
import { upsampleConv2d } from "../../nn/upsample.ts";
import {
  type AttentionPlan,
  type BlockPlan,
  planUNet,
  type ResnetPlan,
  resnetsOf,
  type UNetConfig,
} from "./unet_config.ts";

/** The inputs of a UNet. */
export interface UNetInputs {
  /** Noisy images [B, H, W, inChannels]. */
  readonly x: tf.Tensor4D;
  /** Timesteps [B]. */
  readonly timesteps: tf.Tensor1D;
  /** Classes [B], int32, for a conditional model. */
  readonly classLabels?: tf.Tensor1D | undefined;
}

/**
 * Applies a UNet.
 *
 * @returns [B, H, W, outChannels]
 * @throws {UserError} If class labels are missing, or given to an unconditional model.
 */
export function unet(
  parameters: Parameters,
  { x, timesteps, classLabels }: UNetInputs,
  config: UNetConfig,
): tf.Tensor4D {
  const plan = planUNet(config);
  const embedding = conditionEmbedding(parameters, timesteps, classLabels, config);
  const times = timeProjections(parameters, embedding, plan);
  const resnet = (layer: ResnetPlan, h: tf.Tensor4D) =>
    residualBlock(parameters, layer, h, times.get(layer.name)!, config);

  let h = config.centerInputSample ? tf.sub(tf.mul(x, 2), 1) as tf.Tensor4D : x;
  h = conv2d(parameters, "conv_in", h, { padding: 1 });
  const skips = [h];
  for (const { resnets, resample } of plan.down) {
    for (const layer of resnets) {
      h = resnet(layer, h);
      skips.push(h);
    }
    if (resample !== undefined) {
      h = typeof resample === "object"
        ? resnet(resample, h)
        : halve(parameters, resample, h, config);
      skips.push(h);
    }
  }
  for (const layer of plan.middle) h = resnet(layer, h);
  for (const { resnets, resample } of plan.up) {
    for (const layer of resnets) h = resnet(layer, tf.concat([h, skips.pop()!], 3));
    if (typeof resample === "object") h = resnet(resample, h);
    else if (resample !== undefined) h = upsampleConv2d(parameters, resample, h);
  }
  h = silu(norm(parameters, "conv_norm_out", h, config));
  return conv2d(parameters, "conv_out", h, { padding: 1 });
}

/** A convolution that halves height and width. */
function halve(
  parameters: Parameters,
  name: string,
  h: tf.Tensor4D,
  { downsamplePadding: padding }: UNetConfig,
): tf.Tensor4D {
  const padded = padding === 0 ? tf.pad(h, [[0, 0], [0, 1], [0, 1], [0, 0]]) as tf.Tensor4D : h;
  return conv2d(parameters, name, padded, { stride: 2, padding });
}

/** Means of 2 x 2 pixels. */
function halvePixels(x: tf.Tensor4D): tf.Tensor4D {
  const [batch, height, width, channels] = x.shape;
  const rows = tf.mean(tf.reshape(x, [batch, height / 2, 2, width * channels]), 2);
  return tf.mean(tf.reshape(rows, [batch, height / 2, width / 2, 2, channels]), 3) as tf.Tensor4D;
}

/** Each pixel as 2 x 2 pixels. */
function doublePixels(x: tf.Tensor4D): tf.Tensor4D {
  const [batch, height, width, channels] = x.shape;
  const rows = tf.reshape(tf.concat([x, x], 3), [batch, height, 1, 2 * width * channels]);
  return tf.reshape(tf.concat([rows, rows], 2), [batch, 2 * height, 2 * width, channels]);
}

/** The embedding of timesteps and classes [B, timeEmbeddingDim]. */
function conditionEmbedding(
  parameters: Parameters,
  timesteps: tf.Tensor1D,
  classLabels: tf.Tensor1D | undefined,
  config: UNetConfig,
): tf.Tensor {
  const frequencies = timestepEmbedding(timesteps, config.blockOutChannels[0]!, config);
  const hidden = linear(parameters, "time_embedding.linear_1", frequencies);
  const time = linear(parameters, "time_embedding.linear_2", silu(hidden));
  if ((config.numClassEmbeds !== null) !== (classLabels !== undefined)) {
    throw new UserError(
      config.numClassEmbeds === null
        ? "Class labels were given to an unconditional model."
        : "A class-conditional model needs class labels.",
    );
  }
  if (classLabels === undefined) return time;
  return tf.add(time, embedding(parameters, "class_embedding", classLabels));
}

/**
 * The projection of the embedding for each residual block, by the block's name: [B, outChannels], or with
 * scale_shift [B, 2 outChannels].
 */
function timeProjections(
  parameters: Parameters,
  embedding: tf.Tensor,
  plan: ReturnType<typeof planUNet>,
): ReadonlyMap<string, tf.Tensor> {
  const layers = [
    ...plan.down.flatMap(resnetsOf),
    ...plan.middle,
    ...plan.up.flatMap(resnetsOf),
  ].map(({ name }) => name);
  const names = layers.map((name) => `${name}.time_emb_proj`);
  const projections = linears(parameters, names, silu(embedding));
  return new Map(layers.map((name, i) => [name, projections[i]!]));
}

/** A residual block, and the attention that follows it if there is one. */
function residualBlock(
  parameters: Parameters,
  { name, inChannels, outChannels, attention, resizes }: ResnetPlan,
  x: tf.Tensor4D,
  time: tf.Tensor,
  config: UNetConfig,
): tf.Tensor4D {
  const resize = resizes === undefined
    ? (x: tf.Tensor4D) => x
    : resizes === "halves"
    ? halvePixels
    : doublePixels;
  const normed = resize(silu(norm(parameters, `${name}.norm1`, x, config)));
  let r = conv2d(parameters, `${name}.conv1`, normed, { padding: 1 });
  if (config.resnetTimeScaleShift === "scale_shift") {
    const parts = tf.split(tf.reshape(time, [-1, 1, 1, 2 * outChannels]), 2, 3);
    const [scale, shift] = parts as [tf.Tensor, tf.Tensor];
    r = norm(parameters, `${name}.norm2`, r, config);
    r = tf.add(tf.mul(r, tf.add(scale, 1)), shift);
  } else {
    r = norm(parameters, `${name}.norm2`, r, config, time as tf.Tensor2D);
  }
  r = conv2d(parameters, `${name}.conv2`, silu(r), { padding: 1 });
  const h = resize(x);
  const shortcut = inChannels === outChannels ? h : conv2d(parameters, `${name}.conv_shortcut`, h);
  const sum = tf.add(shortcut, r) as tf.Tensor4D;
  return attention === undefined ? sum : attentionBlock(parameters, attention, sum, config);
}

/** Self-attention of pixels with a residual connection. */
function attentionBlock(
  parameters: Parameters,
  { name, heads, groups }: AttentionPlan,
  h: tf.Tensor4D,
  config: UNetConfig,
): tf.Tensor4D {
  const [batch, height, width, channels] = h.shape;
  const normed = groups === null
    ? h
    : norm(parameters, `${name}.group_norm`, h, { ...config, normNumGroups: groups });
  const tokens = tf.reshape(normed, [batch, height * width, channels]) as tf.Tensor3D;
  const names = [`${name}.to_q`, `${name}.to_k`, `${name}.to_v`] as const;
  const attended = selfAttention(parameters, names, tokens, { heads });
  const projected = linear(parameters, `${name}.to_out.0`, attended);
  return tf.add(h, tf.reshape(projected, h.shape)) as tf.Tensor4D;
}

function norm(
  parameters: Parameters,
  name: string,
  h: tf.Tensor4D,
  { normNumGroups, normEps }: UNetConfig,
  offsets?: tf.Tensor2D,
): tf.Tensor4D {
  return groupNorm(parameters, name, h, { groups: normNumGroups, epsilon: normEps, offsets });
}

/** The parameters of a UNet: names, shapes and initial values. */
export function unetSpecs(config: UNetConfig): ParameterSpecs {
  const { inChannels, outChannels, blockOutChannels, numClassEmbeds } = config;
  const { down, middle, up, timeEmbeddingDim: dim } = planUNet(config);
  const first = blockOutChannels[0]!;
  return Object.assign(
    {},
    conv2dSpecs("conv_in", inChannels, first, 3),
    linearSpecs("time_embedding.linear_1", first, dim),
    linearSpecs("time_embedding.linear_2", dim, dim),
    numClassEmbeds === null ? {} : embeddingSpecs("class_embedding", numClassEmbeds, dim),
    ...down.map((block) => blockSpecs(block, dim, config)),
    ...middle.map((resnet) => resnetSpecs(resnet, dim, config)),
    ...up.map((block) => blockSpecs(block, dim, config)),
    normSpecs("conv_norm_out", first),
    conv2dSpecs("conv_out", first, outChannels, 3, { zero: true }),
  );
}

const OLD_NAMES: Readonly<Record<string, string>> = {
  query: "to_q",
  key: "to_k",
  value: "to_v",
  proj_attn: "to_out.0",
};

/** Tensors by the names that diffusers gives them today: it named the layers of attention otherwise once. */
export function currentNames<T>(tensors: ReadonlyMap<string, T>): Map<string, T> {
  const old = /(\.attentions\.\d+\.)(query|key|value|proj_attn)(?=\.(weight|bias)$)/;
  return new Map([...tensors].map(([name, tensor]) => [
    name.replace(old, (_, prefix: string, layer: string) => prefix + OLD_NAMES[layer]),
    tensor,
  ]));
}

function resnetSpecs(
  { name, inChannels, outChannels, attention }: ResnetPlan,
  timeEmbeddingDim: number,
  { resnetTimeScaleShift }: UNetConfig,
): ParameterSpecs {
  const timeFeatures = resnetTimeScaleShift === "scale_shift" ? 2 * outChannels : outChannels;
  return {
    ...normSpecs(`${name}.norm1`, inChannels),
    ...conv2dSpecs(`${name}.conv1`, inChannels, outChannels, 3),
    ...linearSpecs(`${name}.time_emb_proj`, timeEmbeddingDim, timeFeatures),
    ...normSpecs(`${name}.norm2`, outChannels),
    ...conv2dSpecs(`${name}.conv2`, outChannels, outChannels, 3, { zero: true }),
    ...(inChannels === outChannels
      ? {}
      : conv2dSpecs(`${name}.conv_shortcut`, inChannels, outChannels, 1)),
    ...(attention === undefined ? {} : attentionSpecs(attention, outChannels)),
  };
}

function attentionSpecs(
  { name, features, groups }: AttentionPlan,
  channels: number,
): ParameterSpecs {
  return {
    ...(groups === null ? {} : normSpecs(`${name}.group_norm`, channels)),
    ...linearSpecs(`${name}.to_q`, channels, features),
    ...linearSpecs(`${name}.to_k`, channels, features),
    ...linearSpecs(`${name}.to_v`, channels, features),
    ...linearSpecs(`${name}.to_out.0`, features, channels, { zero: true }),
  };
}

function blockSpecs(block: BlockPlan, dim: number, config: UNetConfig): ParameterSpecs {
  const { resample, channels } = block;
  return Object.assign(
    {},
    ...resnetsOf(block).map((resnet) => resnetSpecs(resnet, dim, config)),
    typeof resample === "string" ? conv2dSpecs(resample, channels, channels, 3) : {},
  );
}
