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
import { type BlockPlan, planUNet, type ResnetPlan, type UNetConfig } from "./unet_config.ts";

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
      h = conv2d(parameters, resample, h, { stride: 2, padding: 1 });
      skips.push(h);
    }
  }
  for (const layer of plan.middle) h = resnet(layer, h);
  for (const { resnets, resample } of plan.up) {
    for (const layer of resnets) h = resnet(layer, tf.concat([h, skips.pop()!], 3));
    if (resample !== undefined) h = upsampleConv2d(parameters, resample, h);
  }
  h = silu(norm(parameters, "conv_norm_out", h, config));
  return conv2d(parameters, "conv_out", h, { padding: 1 });
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

/** The projection of the embedding for each residual block [B, outChannels], by the block's name. */
function timeProjections(
  parameters: Parameters,
  embedding: tf.Tensor,
  plan: ReturnType<typeof planUNet>,
): ReadonlyMap<string, tf.Tensor> {
  const layers = [...plan.down, { resnets: plan.middle }, ...plan.up]
    .flatMap(({ resnets }) => resnets.map(({ name }) => name));
  const names = layers.map((name) => `${name}.time_emb_proj`);
  const projections = linears(parameters, names, silu(embedding));
  return new Map(layers.map((name, i) => [name, projections[i]!]));
}

/** A residual block, and the attention that follows it if there is one. */
function residualBlock(
  parameters: Parameters,
  { name, inChannels, outChannels, attention }: ResnetPlan,
  h: tf.Tensor4D,
  time: tf.Tensor,
  config: UNetConfig,
): tf.Tensor4D {
  const normed = silu(norm(parameters, `${name}.norm1`, h, config));
  let r = conv2d(parameters, `${name}.conv1`, normed, { padding: 1 });
  r = tf.add(r, tf.reshape(time, [-1, 1, 1, outChannels]));
  const renormed = silu(norm(parameters, `${name}.norm2`, r, config));
  r = conv2d(parameters, `${name}.conv2`, renormed, { padding: 1 });
  const shortcut = inChannels === outChannels ? h : conv2d(parameters, `${name}.conv_shortcut`, h);
  const sum = tf.add(shortcut, r) as tf.Tensor4D;
  return attention === undefined ? sum : attentionBlock(parameters, attention, sum, config);
}

/** Self-attention of pixels with a residual connection. */
function attentionBlock(
  parameters: Parameters,
  name: string,
  h: tf.Tensor4D,
  config: UNetConfig,
): tf.Tensor4D {
  const [batch, height, width, channels] = h.shape;
  const normed = norm(parameters, `${name}.group_norm`, h, config);
  const tokens = tf.reshape(normed, [batch, height * width, channels]) as tf.Tensor3D;
  const heads = config.attentionHeadDim === null
    ? 1
    : Math.max(1, Math.floor(channels / config.attentionHeadDim));
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
): tf.Tensor4D {
  return groupNorm(parameters, name, h, { groups: normNumGroups, epsilon: normEps });
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
    ...down.map((block) => blockSpecs(block, dim)),
    ...middle.map((resnet) => resnetSpecs(resnet, dim)),
    ...up.map((block) => blockSpecs(block, dim)),
    normSpecs("conv_norm_out", first),
    conv2dSpecs("conv_out", first, outChannels, 3, { zero: true }),
  );
}

function resnetSpecs(
  { name, inChannels, outChannels, attention }: ResnetPlan,
  timeEmbeddingDim: number,
): ParameterSpecs {
  return {
    ...normSpecs(`${name}.norm1`, inChannels),
    ...conv2dSpecs(`${name}.conv1`, inChannels, outChannels, 3),
    ...linearSpecs(`${name}.time_emb_proj`, timeEmbeddingDim, outChannels),
    ...normSpecs(`${name}.norm2`, outChannels),
    ...conv2dSpecs(`${name}.conv2`, outChannels, outChannels, 3, { zero: true }),
    ...(inChannels === outChannels
      ? {}
      : conv2dSpecs(`${name}.conv_shortcut`, inChannels, outChannels, 1)),
    ...(attention === undefined ? {} : {
      ...normSpecs(`${attention}.group_norm`, outChannels),
      ...linearSpecs(`${attention}.to_q`, outChannels, outChannels),
      ...linearSpecs(`${attention}.to_k`, outChannels, outChannels),
      ...linearSpecs(`${attention}.to_v`, outChannels, outChannels),
      ...linearSpecs(`${attention}.to_out.0`, outChannels, outChannels, { zero: true }),
    }),
  };
}

function blockSpecs({ resnets, resample, channels }: BlockPlan, dim: number): ParameterSpecs {
  return Object.assign(
    {},
    ...resnets.map((resnet) => resnetSpecs(resnet, dim)),
    resample === undefined ? {} : conv2dSpecs(resample, channels, channels, 3),
  );
}
