/**
 * The UNet of DDPM (Ho et al. 2020, appendix B) as diffusers' UNet2DModel has it: residual blocks with
 * group normalization and SiLU, self-attention at chosen resolutions, the time embedding added inside
 * each residual block. Parameters have diffusers' names and shapes.
 *
 * Images keep their size: each block but the last halves height and width. FashionMNIST's 28x28 pixels
 * halve twice, to 14 and 7; three levels need no padding.
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

/** What a UNet is applied to. */
export interface UNetInputs {
  /** Noisy images [B, H, W, inChannels]. */
  readonly x: tf.Tensor4D;
  /** Time steps [B]. */
  readonly timesteps: tf.Tensor1D;
  /** Classes [B], int32, for a conditional model. */
  readonly classLabels?: tf.Tensor1D;
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
  const { normNumGroups: groups, normEps: epsilon } = config;
  const plan = planUNet(config);

  const norm = (name: string, h: tf.Tensor4D) =>
    groupNorm(parameters, name, h, { groups, epsilon });

  const resnet = ({ name, inChannels, outChannels, attention }: ResnetPlan, h: tf.Tensor4D) => {
    let r = conv2d(parameters, `${name}.conv1`, silu(norm(`${name}.norm1`, h)), { padding: 1 });
    r = tf.add(r, tf.reshape(times.get(name)!, [-1, 1, 1, outChannels]));
    r = conv2d(parameters, `${name}.conv2`, silu(norm(`${name}.norm2`, r)), { padding: 1 });
    const shortcut = inChannels === outChannels
      ? h
      : conv2d(parameters, `${name}.conv_shortcut`, h);
    const sum = tf.add(shortcut, r) as tf.Tensor4D;
    return attention === undefined ? sum : attend(attention, sum);
  };

  const attend = (name: string, h: tf.Tensor4D) => {
    const [batch, height, width, channels] = h.shape;
    const tokens = tf.reshape(norm(`${name}.group_norm`, h), [batch, height * width, channels]);
    const heads = config.attentionHeadDim === null
      ? 1
      : Math.max(1, Math.floor(channels / config.attentionHeadDim));
    const parts = [`${name}.to_q`, `${name}.to_k`, `${name}.to_v`] as const;
    const heard = selfAttention(parameters, parts, tokens as tf.Tensor3D, { heads });
    const projected = linear(parameters, `${name}.to_out.0`, heard);
    return tf.add(h, tf.reshape(projected, h.shape)) as tf.Tensor4D;
  };

  const frequencies = timestepEmbedding(timesteps, config.blockOutChannels[0]!, config);
  let time = linear(parameters, "time_embedding.linear_1", frequencies);
  time = linear(parameters, "time_embedding.linear_2", silu(time)); // [B, timeEmbeddingDim]
  if ((config.numClassEmbeds !== null) !== (classLabels !== undefined)) {
    throw new UserError(
      config.numClassEmbeds === null
        ? "Class labels were given to an unconditional model."
        : "A class-conditional model needs class labels.",
    );
  }
  if (classLabels !== undefined) {
    time = tf.add(time, embedding(parameters, "class_embedding", classLabels));
  }
  const layers = [...plan.down, { resnets: plan.middle }, ...plan.up]
    .flatMap(({ resnets }) => resnets.map(({ name }) => name));
  const projections = linears(
    parameters,
    layers.map((name) => `${name}.time_emb_proj`),
    silu(time),
  ); // [B, outChannels] for each
  const times = new Map(layers.map((name, i) => [name, projections[i]!]));

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
    if (resample !== undefined) {
      h = upsampleConv2d(parameters, resample, h);
    }
  }
  h = silu(norm("conv_norm_out", h));
  return conv2d(parameters, "conv_out", h, { padding: 1 });
}
