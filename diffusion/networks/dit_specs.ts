/** The parameters of a diffusion transformer, named as in diffusers where it has them. */
import type { HostParameters, Initializer, ParameterSpecs } from "../../nn/parameters.ts";
import { checkDitConfig, type DitConfig, ditWidth } from "./dit_config.ts";

/** The features of the timestep's sinusoidal embedding. */
export const FREQUENCIES = 256;

/** The initial standard deviation of embeddings. */
const DEVIATION = 0.02;

/** The initial distribution of a linear layer's weight. */
type Start = "xavier" | "normal" | "zero";

function dense(
  name: string,
  features: number,
  out: number,
  { start = "xavier", bias = true }: { start?: Start; bias?: boolean } = {},
): ParameterSpecs {
  const initializers: Record<Start, Initializer> = {
    xavier: { bound: Math.sqrt(6 / (features + out)) },
    normal: { deviation: DEVIATION },
    zero: { constant: 0 },
  };
  return {
    [`${name}.weight`]: { shape: [out, features], initializer: initializers[start] },
    ...(bias ? { [`${name}.bias`]: { shape: [out], initializer: { constant: 0 } } } : {}),
  };
}

function table(name: string, ...shape: number[]): ParameterSpecs {
  return { [name]: { shape, initializer: { deviation: DEVIATION } } };
}

/** The prefix of a block's parameters. */
export function blockName(layer: number): string {
  return `transformer_blocks.${layer}`;
}

/** The prefix of the embedding of time, class and pooled condition that a block uses. */
export function embeddingName(layer: number, { sharedEmbedding }: DitConfig): string {
  return `${blockName(sharedEmbedding ? 0 : layer)}.norm1.emb`;
}

function conditionEmbeddingSpecs(name: string, config: DitConfig): ParameterSpecs {
  const width = ditWidth(config);
  const { numEmbedsAdaNorm: classes, pooledDim } = config;
  const embedding = `${name}.class_embedder.embedding_table`;
  return {
    ...dense(`${name}.timestep_embedder.linear_1`, FREQUENCIES, width, { start: "normal" }),
    ...dense(`${name}.timestep_embedder.linear_2`, width, width, { start: "normal" }),
    ...(classes === null ? {} : table(`${embedding}.weight`, classes + 1, width)),
    ...(pooledDim === null ? {} : {
      ...dense(`${name}.pooled_embedder.linear_1`, pooledDim, width, { start: "normal" }),
      ...dense(`${name}.pooled_embedder.linear_2`, width, width, { start: "normal" }),
    }),
  };
}

function attentionSpecs(name: string, config: DitConfig, zero: boolean): ParameterSpecs {
  const width = ditWidth(config);
  const bias = config.attentionBias;
  return {
    ...dense(`${name}.to_q`, width, width, { bias }),
    ...dense(`${name}.to_k`, width, width, { bias }),
    ...dense(`${name}.to_v`, width, width, { bias }),
    ...dense(`${name}.to_out.0`, width, width, { start: zero ? "zero" : "xavier" }),
  };
}

function blockSpecs(layer: number, config: DitConfig): ParameterSpecs {
  const width = ditWidth(config);
  const name = blockName(layer);
  const hasEmbedding = layer === 0 || !config.sharedEmbedding;
  const crosses = config.contextDim !== null && config.contextMode === "cross_attention";
  return {
    ...(hasEmbedding ? conditionEmbeddingSpecs(embeddingName(layer, config), config) : {}),
    ...dense(`${name}.norm1.linear`, width, 6 * width, { start: "zero" }),
    ...attentionSpecs(`${name}.attn1`, config, false),
    ...(crosses ? attentionSpecs(`${name}.attn2`, config, true) : {}),
    ...dense(`${name}.ff.net.0.proj`, width, 4 * width),
    ...dense(`${name}.ff.net.2`, 4 * width, width),
  };
}

function inputSpecs(config: DitConfig): ParameterSpecs {
  const width = ditWidth(config);
  const { patchSize } = config;
  const channels = config.inChannels * (config.selfConditioning ? 2 : 1);
  if (patchSize === null) {
    return {
      ...dense("pos_embed.proj", channels, width),
      ...table("pos_embed.pos_embed", 1, config.sampleSize, width),
    };
  }
  const specs = dense("pos_embed.proj", channels * patchSize ** 2, width);
  const weight = specs["pos_embed.proj.weight"]!;
  return {
    ...specs,
    "pos_embed.proj.weight": { ...weight, shape: [width, channels, patchSize, patchSize] },
  };
}

function contextSpecs(config: DitConfig): ParameterSpecs {
  const { contextDim, contextLength, pooledDim, nullCondition } = config;
  const width = ditWidth(config);
  return {
    ...(contextDim === null ? {} : dense("context_embedder", contextDim, width)),
    ...(contextLength === null ? {} : table("context_embedder.pos_embed", 1, contextLength, width)),
    ...(contextDim === null || !nullCondition ? {} : table("null_context", contextDim)),
    ...(pooledDim === null || !nullCondition ? {} : table("null_pooled", pooledDim)),
  };
}

/**
 * The parameters of a diffusion transformer: names, shapes and the paper's initial values. Modulation and
 * output start at zero, so the blocks start as the identity ("adaLN-zero").
 *
 * @throws {UserError} If the configuration is invalid.
 */
export function ditSpecs(config: DitConfig): ParameterSpecs {
  checkDitConfig(config);
  const width = ditWidth(config);
  const { outChannels, inChannels, patchSize } = config;
  const out = (outChannels ?? inChannels) * (patchSize ?? 1) ** 2;
  return Object.assign(
    inputSpecs(config),
    contextSpecs(config),
    ...Array.from({ length: config.numLayers }, (_, i) => blockSpecs(i, config)),
    dense("proj_out_1", width, 2 * width, { start: "zero" }),
    dense("proj_out_2", width, out, { start: "zero" }),
  );
}

/** Gives each block its own copy of the shared embedding, as diffusers requires. */
export function separateEmbeddings(
  parameters: HostParameters,
  config: DitConfig,
): { parameters: HostParameters; config: DitConfig } {
  const separate = { ...config, sharedEmbedding: false };
  const [shared, other] = [embeddingName(0, separate), /^transformer_blocks\.\d+\.norm1\.emb/];
  const copies = Object.keys(ditSpecs(separate)).map((name) =>
    [name, parameters[name] ?? parameters[name.replace(other, shared)]!] as const
  );
  return { parameters: Object.fromEntries(copies), config: separate };
}
