/**
 * The network that denoises latents of texts: a diffusion transformer over blocks of latent vectors. It
 * attends to the states of a condition's tokens, which a BERT encodes, and adds their mean to its time
 * embedding (PLANNER, Zhang et al. 2023, arXiv:2306.02531, section 3.2).
 *
 * Parameters are those of the transformer under `denoiser.` and those of transformers' BertModel, without
 * its pooler, under `encoder.`.
 */
import { UserError } from "../../base/errors.ts";
import * as tf from "../../engine/tf.ts";
import type { Parameters, ParameterSpecs } from "../../nn/parameters.ts";
import { type BertConfig, bertEncoderSpecs, bertStates } from "../../vae/bert.ts";
import { partOf, underPrefix } from "../../vae/text_vae.ts";
import { dit } from "../../diffusion/networks/dit.ts";
import {
  checkDitConfig,
  DIT_DEFAULTS,
  type DitConfig,
} from "../../diffusion/networks/dit_config.ts";
import { ditSpecs } from "../../diffusion/networks/dit_specs.ts";
import type { TrainableDenoiser } from "../../diffusion/objective.ts";
import { selfConditioned, X0_ESTIMATE } from "../../diffusion/self_conditioning.ts";

export interface TextDenoiserConfig {
  /** The transformer, in token mode. Its inputs have one channel more than latents: see `given`. */
  readonly dit: DitConfig;
  /** The condition's encoder; null without a text as condition, or if the condition is latents. */
  readonly encoder: BertConfig | null;
}

export interface TextDenoiserSizes {
  readonly latents: number; // latent vectors of a block, k
  readonly latentWidth: number; // width of a latent vector, d
  readonly blocks?: number; // denoised together; 1 by default
  /** Classes of a class condition; null without one. @default {null} */
  readonly classes?: number | null;
  /** The encoder of the condition's tokens; null for none. @default {null} */
  readonly encoder?: BertConfig | null;
  /** The number of texts whose latents are the condition, instead of tokens. @default {0} */
  readonly conditionBlocks?: number;
  /** Whether learned vectors replace a dropped condition. @default {true} */
  readonly nullCondition?: boolean;
  readonly layers: number;
  readonly width: number; // features of the transformer, a multiple of the heads
  readonly heads: number;
  readonly selfConditioning?: boolean; // whether it is self-conditioned; true by default
}

export function textDenoiserConfig(
  { blocks = 1, classes = null, encoder = null, conditionBlocks = 0, ...sizes }: TextDenoiserSizes,
): TextDenoiserConfig {
  const {
    latents,
    latentWidth,
    layers,
    width,
    heads,
    nullCondition = true,
    selfConditioning = true,
  } = sizes;
  const isLatentCondition = encoder === null && conditionBlocks > 0;
  const contextDim = encoder !== null ? encoder.hiddenSize : isLatentCondition ? latentWidth : null;
  const config: DitConfig = {
    ...DIT_DEFAULTS,
    sampleSize: blocks * latents,
    patchSize: null,
    inChannels: latentWidth + 1,
    outChannels: latentWidth,
    numLayers: layers,
    numAttentionHeads: heads,
    attentionHeadDim: width / heads,
    numEmbedsAdaNorm: classes,
    contextDim,
    contextLength: isLatentCondition ? conditionBlocks * latents : null, // BERT adds its own
    pooledDim: contextDim,
    nullCondition: nullCondition && contextDim !== null,
    selfConditioning,
  };
  return { dit: checkDitConfig(config, "The denoiser"), encoder };
}

export function latentWidthOf({ dit }: TextDenoiserConfig): number {
  return dit.outChannels ?? dit.inChannels;
}

/** The prefixes of the parameters of the transformer and of the condition's encoder. */
export const [DENOISER, ENCODER] = ["denoiser.", "encoder."] as const;

/** The parameters of the condition's encoder, with their prefix; none without an encoder. */
export function conditionEncoderSpecs({ encoder }: TextDenoiserConfig): ParameterSpecs {
  return encoder === null ? {} : underPrefix(bertEncoderSpecs(encoder), ENCODER);
}

export function latentDenoiserSpecs({ dit }: TextDenoiserConfig): ParameterSpecs {
  return underPrefix(ditSpecs(dit), DENOISER);
}

export interface ConditionStates {
  readonly context: tf.Tensor3D; // states of the tokens [B, M, h]
  /** 1 for tokens, 0 for padding [B, M]. @default all are tokens */
  readonly contextMask?: tf.Tensor2D | undefined;
  readonly pooled: tf.Tensor2D; // mean of the states, without padding [B, h]
}

/** Encodes a condition's tokens [B, M]: [CLS], the text, [SEP] and padding, which the mask excludes. */
export function readCondition(
  parameters: Parameters,
  ids: tf.Tensor2D,
  mask: tf.Tensor2D,
  { encoder }: TextDenoiserConfig,
): ConditionStates {
  if (encoder === null) {
    throw new UserError("The denoiser has no encoder for a condition's tokens.");
  }
  const inputs = { inputIds: ids, attentionMask: mask };
  const context = bertStates(partOf(parameters, ENCODER), inputs, encoder);
  const [batch, length] = mask.shape;
  const counted = tf.cast(mask, "float32");
  const share = tf.div(counted, tf.sum(counted, 1, true)); // [B, M], the sum of each row is 1
  const mean = tf.matMul(tf.reshape(share, [batch, 1, length]), context); // [B, 1, h]
  return { context, contextMask: mask, pooled: tf.reshape(mean, [batch, encoder.hiddenSize]) };
}

export function latentCondition(latents: tf.Tensor3D): ConditionStates {
  return { context: latents, pooled: tf.mean(latents, 1) as tf.Tensor2D };
}

export interface LatentInputs {
  readonly x: tf.Tensor3D; // noisy latents [B, N, d] with the N vectors of all blocks
  readonly timesteps: tf.Tensor1D; // time steps [B]
  /** 1 for vectors of x that are given, hence clean [B, N, 1]. @default zeros */
  readonly given?: tf.Tensor | undefined;
  readonly states?: ConditionStates | undefined;
  /** Classes [B], int32; the number of classes stands for no class. */
  readonly classLabels?: tf.Tensor1D | undefined;
  /** 1 where the condition is dropped [B]. @default zeros */
  readonly dropCondition?: tf.Tensor1D | undefined;
  /** The last estimate of the clean latents [B, N, d]. @default zeros */
  readonly x0Estimate?: tf.Tensor | undefined;
}

/** Applies the transformer. @returns [B, N, d] */
export function denoiseLatents(
  parameters: Parameters,
  { x, timesteps, given, states, classLabels, dropCondition, x0Estimate }: LatentInputs,
  { dit: config }: TextDenoiserConfig,
): tf.Tensor3D {
  const [batch, length] = x.shape;
  const none = () => tf.zeros([batch, length, 1]);
  const withFlag = (values: tf.Tensor, flag: tf.Tensor) => tf.concat([values, flag], -1);
  // Given vectors are known: they replace their estimates, in training as in sampling.
  const known = (estimate: tf.Tensor) =>
    given === undefined ? estimate : tf.add(tf.mul(x, given), tf.mul(estimate, tf.sub(1, given)));
  return dit(partOf(parameters, DENOISER), {
    x: withFlag(x, given ?? none()), // [B, N, d + 1]
    timesteps,
    ...states,
    classLabels,
    dropCondition,
    selfCondition: x0Estimate && withFlag(known(x0Estimate), none()),
  }, config) as tf.Tensor3D;
}

/** The names of conditions in a batch: see {@linkcode trainableDenoiser}. */
export const CONDITION = {
  ids: "sourceIds",
  mask: "sourceMask",
  latents: "sourceLatents",
  given: "given",
  classLabels: "classLabels",
  drop: "dropCondition",
} as const;

/**
 * The network as a function for training. The condition is any of `sourceIds` and `sourceMask` [B, M],
 * `sourceLatents` [B, k, d], `classLabels` [B], `dropCondition` [B] and `given` [B, N, 1].
 */
export function trainableDenoiser(config: TextDenoiserConfig): TrainableDenoiser {
  const denoise: TrainableDenoiser = (parameters, { x, timesteps, condition }) => {
    const { [CONDITION.ids]: ids, [CONDITION.mask]: mask, [CONDITION.latents]: source } = condition;
    const states = ids !== undefined
      ? readCondition(parameters, ids as tf.Tensor2D, mask as tf.Tensor2D, config)
      : source !== undefined
      ? latentCondition(source as tf.Tensor3D)
      : undefined;
    return denoiseLatents(parameters, {
      x: x as tf.Tensor3D,
      timesteps,
      states,
      given: condition[CONDITION.given],
      classLabels: condition[CONDITION.classLabels] as tf.Tensor1D | undefined,
      dropCondition: condition[CONDITION.drop] as tf.Tensor1D | undefined,
      x0Estimate: condition[X0_ESTIMATE],
    }, config);
  };
  return config.dit.selfConditioning ? selfConditioned(denoise) : denoise;
}
