/**
 * Latents by learned queries: k vectors attend to the encoder's states. After the Perceiver Resampler
 * (Alayrac et al. 2022, arXiv:2204.14198, section 3.1.1) that LD4LG has between encoder and latents
 * (Lovelace et al. 2023, arXiv:2212.09462), with one block instead of several, and with queries that
 * attend only to the states, not to each other.
 */
import * as tf from "../engine/tf.ts";
import { gelu } from "../nn/activations.ts";
import { attention } from "../nn/attention.ts";
import { layerNorm } from "../nn/layer_norm.ts";
import { linear, linearSpecs, normSpecs } from "../nn/layers.ts";
import { parameter, type Parameters, type ParameterSpecs } from "../nn/parameters.ts";
import { paddingBias } from "./attention_bias.ts";

export interface ResamplerConfig {
  readonly latents: number;
  /** Features of the states, of the queries and of the output. */
  readonly width: number;
  readonly heads: number;
}

/** The parameters of a resampler, under the prefix `name`. */
export function resamplerSpecs(name: string, { latents, width }: ResamplerConfig): ParameterSpecs {
  return {
    // Small, so that the attended states outweigh them. The queries still differ, since they are
    // normalised before attention.
    [`${name}.queries`]: { shape: [latents, width], initializer: { deviation: 0.02 } },
    ...normSpecs(`${name}.attention_norm`, width),
    ...linearSpecs(`${name}.query`, width, width),
    ...linearSpecs(`${name}.key`, width, width),
    ...linearSpecs(`${name}.value`, width, width),
    ...linearSpecs(`${name}.output`, width, width),
    ...normSpecs(`${name}.inner_norm`, width),
    ...linearSpecs(`${name}.inner`, width, 4 * width),
    ...linearSpecs(`${name}.outer`, 4 * width, width),
  };
}

/** Applies a resampler to the encoder's states [B, N, h], without those of padding: [B, k, h]. */
export function resample(
  parameters: Parameters,
  name: string,
  { states, mask }: { readonly states: tf.Tensor3D; readonly mask: tf.Tensor2D },
  { latents, width, heads }: ResamplerConfig,
): tf.Tensor3D {
  const [batch] = states.shape;
  const own = tf.reshape(parameter(parameters, `${name}.queries`), [1, latents, width]);
  const queries = tf.tile(own, [batch, 1, 1]); // [B, k, h]
  const part = (layer: string, x: tf.Tensor) => linear(parameters, `${name}.${layer}`, x);
  const norm = (layer: string, x: tf.Tensor) => layerNorm(parameters, `${name}.${layer}`, x);
  const attended = attention(
    part("query", norm("attention_norm", queries)) as tf.Tensor3D,
    part("key", states) as tf.Tensor3D,
    part("value", states) as tf.Tensor3D,
    { heads, bias: paddingBias(mask) },
  );
  const x = tf.add(queries, part("output", attended));
  const inner = gelu(part("inner", norm("inner_norm", x)));
  return tf.add(x, part("outer", inner)) as tf.Tensor3D;
}
