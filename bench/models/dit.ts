/**
 * The diffusion transformer (Peebles and Xie 2023, arXiv:2212.09748) over rows of latent vectors, with
 * adaLN-zero. Parameters have the names of the paper's reference implementation.
 */
import * as tf from "../../engine/tf.ts";
import { geluTanh, silu } from "../../nn/activations.ts";
import { attention } from "../../nn/attention.ts";
import { linear, linearSpecs } from "../../nn/layers.ts";
import { standardizeRows } from "../../nn/layer_norm.ts";
import { parameter, type Parameters, type ParameterSpecs } from "../../nn/parameters.ts";
import { timestepEmbedding } from "../../nn/timestep_embedding.ts";

/** A diffusion transformer's sizes. */
export interface DitConfig {
  /** Latent vectors of a sample. */
  readonly tokens: number;
  /** Features of a latent vector. */
  readonly latentSize: number;
  /** Features of a token. */
  readonly hiddenSize: number;
  /** Layers. */
  readonly depth: number;
  /** Heads of attention; they divide the features. */
  readonly numHeads: number;
}

/** Features of the time step's sines and cosines. */
const FREQUENCIES = 256;

/** The parameters of a diffusion transformer: names, shapes and initial values. */
export function ditSpecs(config: DitConfig): ParameterSpecs {
  const { tokens, latentSize, hiddenSize: width, depth } = config;
  const blocks = Array.from({ length: depth }, (_, i): ParameterSpecs => ({
    ...linearSpecs(`blocks.${i}.attn.qkv`, width, 3 * width),
    ...linearSpecs(`blocks.${i}.attn.proj`, width, width),
    ...linearSpecs(`blocks.${i}.mlp.fc1`, width, 4 * width),
    ...linearSpecs(`blocks.${i}.mlp.fc2`, 4 * width, width),
    ...linearSpecs(`blocks.${i}.adaLN_modulation.1`, width, 6 * width, { zero: true }),
  }));
  return Object.assign(
    { pos_embed: { shape: [1, tokens, width], initializer: { deviation: 0.02 } } },
    linearSpecs("x_embedder", latentSize, width),
    linearSpecs("t_embedder.mlp.0", FREQUENCIES, width),
    linearSpecs("t_embedder.mlp.2", width, width),
    ...blocks,
    linearSpecs("final_layer.adaLN_modulation.1", width, 2 * width, { zero: true }),
    linearSpecs("final_layer.linear", width, latentSize, { zero: true }),
  );
}

/** x * (1 + scale) + shift with one scale and shift a sample: [B, N, C], [B, 1, C] each. */
function modulate(x: tf.Tensor, shift: tf.Tensor, scale: tf.Tensor): tf.Tensor {
  return tf.add(tf.mul(x, tf.add(scale, 1)), shift);
}

/**
 * Applies a diffusion transformer.
 *
 * @param x [B, tokens, latentSize]
 * @param timesteps [B]
 * @returns [B, tokens, latentSize]
 */
export function dit(
  parameters: Parameters,
  { x, timesteps }: { x: tf.Tensor3D; timesteps: tf.Tensor1D },
  config: DitConfig,
): tf.Tensor3D {
  const { depth, numHeads: heads } = config;
  const batch = x.shape[0];
  const norm = (h: tf.Tensor) => standardizeRows(h, { epsilon: 1e-6 });
  const frequencies = timestepEmbedding(timesteps, FREQUENCIES, {
    flipSinToCos: true,
    freqShift: 0,
  });
  const time = linear(
    parameters,
    "t_embedder.mlp.2",
    silu(linear(parameters, "t_embedder.mlp.0", frequencies)),
  );
  const active = silu(time); // [B, width]
  const modulation = (name: string, count: number) =>
    tf.split(
      tf.reshape(linear(parameters, `${name}.adaLN_modulation.1`, active), [batch, 1, -1]),
      count,
      -1,
    );
  let h = tf.add(linear(parameters, "x_embedder", x), parameter(parameters, "pos_embed"));
  for (let i = 0; i < depth; i++) {
    const name = `blocks.${i}`;
    const parts = modulation(name, 6);
    const [shiftA, scaleA, gateA, shiftM, scaleM, gateM] = parts as [
      tf.Tensor,
      tf.Tensor,
      tf.Tensor,
      tf.Tensor,
      tf.Tensor,
      tf.Tensor,
    ];
    const qkv = linear(parameters, `${name}.attn.qkv`, modulate(norm(h), shiftA, scaleA));
    const [q, k, v] = tf.split(qkv, 3, -1) as [tf.Tensor3D, tf.Tensor3D, tf.Tensor3D];
    const heard = linear(parameters, `${name}.attn.proj`, attention(q, k, v, { heads }));
    h = tf.add(h, tf.mul(heard, gateA));
    const inner = linear(parameters, `${name}.mlp.fc1`, modulate(norm(h), shiftM, scaleM));
    h = tf.add(h, tf.mul(linear(parameters, `${name}.mlp.fc2`, geluTanh(inner)), gateM));
  }
  const [shift, scale] = modulation("final_layer", 2) as [tf.Tensor, tf.Tensor];
  const output = linear(parameters, "final_layer.linear", modulate(norm(h), shift, scale));
  return tf.reshape(output, x.shape) as tf.Tensor3D;
}
