/**
 * The network that denoises latents of texts: a diffusion transformer over blocks of latent vectors,
 * which hears the tokens of a condition beside them, as a BERT sees these, and takes their mean into its
 * time embedding (PLANNER, Zhang et al. 2023, arXiv:2306.02531, section 3.2).
 *
 * Parameters are the transformer's under `denoiser.` and transformers' BertModel's under `encoder.`,
 * without its pooler.
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
import type { DenoiserFunction } from "../../diffusion/objective.ts";
import { selfConditioned, X0_ESTIMATE } from "../../diffusion/self_conditioning.ts";

/** A denoiser of latents. */
export interface TextDenoiserConfig {
  /** The transformer, in token mode. It takes one channel more than latents are wide: see `given`. */
  readonly dit: DitConfig;
  /** What reads the condition; null for none, or where the condition is latents. */
  readonly encoder: BertConfig | null;
}

/** What a {@linkcode TextDenoiserConfig} follows from. */
export interface TextDenoiserSizes {
  /** Latent vectors of a block, k. */
  readonly latents: number;
  /** Width of a latent vector, d. */
  readonly latentWidth: number;
  /** Blocks that are denoised together. @default {1} */
  readonly blocks?: number;
  /** Classes of a class condition; null for none. @default {null} */
  readonly classes?: number | null;
  /** What reads the condition's tokens; null for none. @default {null} */
  readonly encoder?: BertConfig | null;
  /** Texts whose latents, of the same VAE, are the condition in place of tokens. @default {0} */
  readonly conditionBlocks?: number;
  /** Whether learned vectors stand for a condition that is dropped. @default {true} */
  readonly nullCondition?: boolean;
  /** Blocks of the transformer. */
  readonly layers: number;
  /** Its width, a multiple of the heads. */
  readonly width: number;
  /** Its heads of attention. */
  readonly heads: number;
  /** Whether it is shown its last estimate. @default {true} */
  readonly selfConditioning?: boolean;
}

/**
 * The configuration of a denoiser.
 *
 * @throws {UserError} If the sizes make no sense.
 */
export function textDenoiserConfig(
  { latents, latentWidth, blocks = 1, classes = null, encoder = null, ...sizes }: TextDenoiserSizes,
): TextDenoiserConfig {
  const { conditionBlocks = 0, layers, width, heads } = sizes;
  const { nullCondition = true, selfConditioning = true } = sizes;
  const hearsLatents = encoder === null && conditionBlocks > 0;
  const contextDim = encoder !== null ? encoder.hiddenSize : hearsLatents ? latentWidth : null;
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
    contextLength: hearsLatents ? conditionBlocks * latents : null, // BERT adds its own
    pooledDim: contextDim,
    nullCondition: nullCondition && contextDim !== null,
    selfConditioning,
  };
  return { dit: checkDitConfig(config, "The denoiser"), encoder };
}

/** Width of the latents. */
export function latentWidthOf({ dit }: TextDenoiserConfig): number {
  return dit.outChannels ?? dit.inChannels;
}

/** The prefix of the transformer's parameters. */
export const DENOISER = "denoiser.";

/** The prefix of the parameters of what reads the condition. */
export const ENCODER = "encoder.";

/** The encoder's parameters under their prefix; none without an encoder. */
export function conditionEncoderSpecs({ encoder }: TextDenoiserConfig): ParameterSpecs {
  if (encoder === null) return {};
  return underPrefix(bertEncoderSpecs(encoder), ENCODER);
}

/** The transformer's parameters under their prefix. */
export function latentDenoiserSpecs({ dit }: TextDenoiserConfig): ParameterSpecs {
  return underPrefix(ditSpecs(dit), DENOISER);
}

/** A condition as the transformer hears it. */
export interface ConditionStates {
  /** [B, M, h] */
  readonly context: tf.Tensor3D;
  /** 1 for tokens, 0 for padding [B, M]; all are tokens by default. */
  readonly contextMask?: tf.Tensor2D;
  /** The mean of the tokens that are no padding [B, h]. */
  readonly pooled: tf.Tensor2D;
}

/**
 * Reads a condition's tokens.
 *
 * @param ids [CLS], the text, [SEP] and padding [B, M], int32.
 * @param mask 1 for tokens, 0 for padding [B, M].
 * @throws {UserError} If the model has no encoder.
 */
export function readCondition(
  parameters: Parameters,
  ids: tf.Tensor2D,
  mask: tf.Tensor2D,
  { encoder }: TextDenoiserConfig,
): ConditionStates {
  if (encoder === null) {
    throw new UserError("The denoiser has no encoder for a condition's tokens.");
  }
  const { hiddenSize } = encoder;
  const context = bertStates(
    partOf(parameters, ENCODER),
    { inputIds: ids, attentionMask: mask },
    encoder,
  );
  const [batch, length] = mask.shape;
  const counted = tf.cast(mask, "float32");
  const share = tf.div(counted, tf.sum(counted, 1, true)); // [B, M], each row's sum 1
  const mean = tf.matMul(tf.reshape(share, [batch, 1, length]), context); // [B, 1, h]
  return { context, contextMask: mask, pooled: tf.reshape(mean, [batch, hiddenSize]) };
}

/** A condition that is latents [B, k, d], all of which are heard. */
export function latentCondition(latents: tf.Tensor3D): ConditionStates {
  return { context: latents, pooled: tf.mean(latents, 1) as tf.Tensor2D };
}

/** What {@linkcode denoiseLatents} is applied to. */
export interface LatentInputs {
  /** Noisy latents [B, N, d], N being the vectors of all blocks. */
  readonly x: tf.Tensor3D;
  /** Time steps [B]. */
  readonly timesteps: tf.Tensor1D;
  /** 1 for vectors of x that are clean and to stay as they are [B, N, 1]; zeros by default. */
  readonly given?: tf.Tensor | undefined;
  /** The condition's tokens or latents. */
  readonly states?: ConditionStates | undefined;
  /** Classes [B], int32; as many as there are classes stands for none. */
  readonly classLabels?: tf.Tensor1D | undefined;
  /** 1 where the condition is dropped [B]; 0 by default. */
  readonly dropCondition?: tf.Tensor1D | undefined;
  /** The last estimate of the clean latents [B, N, d]; zeros by default. */
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
  // What is given is known: it stands in the place of its estimate, in training as in sampling.
  const known = (estimate: tf.Tensor) =>
    given === undefined ? estimate : tf.add(tf.mul(x, given), tf.mul(estimate, tf.sub(1, given)));
  return dit(partOf(parameters, DENOISER), {
    x: withFlag(x, given ?? none()), // [B, N, d + 1]
    timesteps,
    ...states,
    ...(classLabels === undefined ? {} : { classLabels }),
    ...(dropCondition === undefined ? {} : { dropCondition }),
    ...(x0Estimate === undefined ? {} : { selfCondition: withFlag(known(x0Estimate), none()) }),
  }, config) as tf.Tensor3D;
}

/** Names of a batch's conditions: see {@linkcode trainableDenoiser}. */
export const CONDITION = {
  ids: "sourceIds",
  mask: "sourceMask",
  latents: "sourceLatents",
  given: "given",
  classLabels: "classLabels",
  drop: "dropCondition",
} as const;

/**
 * The network as training wants it. The condition is any of `sourceIds` and `sourceMask` [B, M],
 * `sourceLatents` [B, k, d], `classLabels` [B], `dropCondition` [B] and `given` [B, N, 1].
 */
export function trainableDenoiser(config: TextDenoiserConfig): DenoiserFunction {
  const denoise: DenoiserFunction = (parameters, { x, timesteps, condition }) => {
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
