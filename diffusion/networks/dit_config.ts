/** The diffusion transformer's configuration, with the names of diffusers' DiTTransformer2DModel. */
import { UserError } from "../../base/errors.ts";
import { quote } from "../../base/quote.ts";
import { configChecks } from "./config_checks.ts";
import { fromDiffusersConfig, toDiffusersConfig } from "./diffusers_config.ts";

/** How the model attends to a condition's tokens. */
export const CONTEXT_MODES = ["in_context", "cross_attention"] as const;

/** Settings of a diffusion transformer, named as in diffusers where it has them. */
export interface DitConfig {
  /** Height and width of images in patch mode, the number of vectors k in token mode. */
  readonly sampleSize: number;
  /** Side of the square patches of an image, or null for token mode: samples [B, k, inChannels]. */
  readonly patchSize: number | null;
  /** Channels of an image or features of a vector. */
  readonly inChannels: number;
  /** Channels of the output; null for inChannels. Twice as many if the variance is learned. */
  readonly outChannels: number | null;
  /** The number of blocks. */
  readonly numLayers: number;
  /** The number of attention heads. */
  readonly numAttentionHeads: number;
  /** Features of a head; a token has numAttentionHeads times as many. */
  readonly attentionHeadDim: number;
  /** Whether queries, keys and values have biases. */
  readonly attentionBias: boolean;
  /** Added to the variances of the norms before the feed-forward layers and cross-attention. */
  readonly normEps: number;
  /** The number of classes without the null class, which is added as the last; null for no classes. */
  readonly numEmbedsAdaNorm: number | null;
  /**
   * Whether all blocks share one embedding of time and class, as in the paper. diffusers has one in each
   * block, with equal copies in converted models: see separateEmbeddings of dit_specs.ts.
   */
  readonly sharedEmbedding: boolean;
  /** Features of the condition's tokens; null for none. */
  readonly contextDim: number | null;
  /** Whether they are joined with the sample's tokens or attended to in each block. */
  readonly contextMode: typeof CONTEXT_MODES[number];
  /** The number of position embeddings of the condition; null if its tokens have positions already. */
  readonly contextLength: number | null;
  /** Features of a pooled condition that is added to the time embedding; null for none. */
  readonly pooledDim: number | null;
  /** Whether there are learned null vectors for dropped conditions. */
  readonly nullCondition: boolean;
  /** Whether the input is joined with the model's last estimate (Chen et al. 2023). */
  readonly selfConditioning: boolean;
}

/** The settings that diffusers does not have, with the values that its class implies. */
const BEYOND_DIFFUSERS = {
  sharedEmbedding: false,
  contextDim: null,
  contextMode: "in_context",
  contextLength: null,
  pooledDim: null,
  nullCondition: false,
  selfConditioning: false,
} as const;

/** diffusers' defaults, which are those of DiT-XL/2 on latents of 256x256 images. */
export const DIT_DEFAULTS: DitConfig = {
  sampleSize: 32,
  patchSize: 2,
  inChannels: 4,
  outChannels: null,
  numLayers: 28,
  numAttentionHeads: 16,
  attentionHeadDim: 72,
  attentionBias: true,
  normEps: 1e-5,
  numEmbedsAdaNorm: 1000,
  ...BEYOND_DIFFUSERS,
  sharedEmbedding: true,
};

/** The further settings of diffusers' configuration, with the only values that are supported. */
const FIXED = {
  activation_fn: "gelu-approximate",
  dropout: 0,
  norm_elementwise_affine: false,
  norm_num_groups: 32,
  norm_type: "ada_norm_zero",
  upcast_attention: false,
} as const;

/** diffusers' class, and the name for models that it has no class for. */
const CLASS_NAMES = ["DiTTransformer2DModel", "DiT"] as const;

/** Whether diffusers' DiTTransformer2DModel can load the model: patches, classes, separate embeddings. */
export function isDiffusersDit(config: DitConfig): boolean {
  return config.patchSize !== null && config.numEmbedsAdaNorm !== null &&
    Object.entries(BEYOND_DIFFUSERS).every(([key, value]) =>
      config[key as keyof DitConfig] === value
    );
}

/** The configuration as a config.json, in diffusers' format if it has the model. */
export function ditConfigToJson(config: DitConfig): Record<string, unknown> {
  const diffusers = isDiffusersDit(config);
  const ours = Object.entries(config).filter(([key]) => !diffusers || !(key in BEYOND_DIFFUSERS));
  return toDiffusersConfig(CLASS_NAMES[diffusers ? 0 : 1], FIXED, ours);
}

/** Reads a configuration that {@linkcode ditConfigToJson} or diffusers wrote to the file `where`. */
export function ditConfigFromJson(json: Record<string, unknown>, where: string): DitConfig {
  const className = json["_class_name"] ?? CLASS_NAMES[0];
  if (className !== CLASS_NAMES[0] && className !== CLASS_NAMES[1]) {
    throw new UserError(
      `${where} describes a ${quote(className)}; it must be a ${CLASS_NAMES[0]}.`,
    );
  }
  const defaults = className === CLASS_NAMES[0]
    ? { ...DIT_DEFAULTS, ...BEYOND_DIFFUSERS }
    : DIT_DEFAULTS;
  const config = fromDiffusersConfig(json, { fixed: FIXED, defaults, where });
  return checkDitConfig(config, where);
}

/** The features of a token. */
export function ditWidth({ numAttentionHeads, attentionHeadDim }: DitConfig): number {
  return numAttentionHeads * attentionHeadDim;
}

/** Checks a configuration and returns it; `where` is the subject of error messages. */
export function checkDitConfig(config: DitConfig, where = "The DiT"): DitConfig {
  const { fail, counts, positive, booleans } = configChecks(config, where);
  counts(["numLayers"], { most: 1000 }); // each layer has many tensors
  counts(["sampleSize", "inChannels", "numAttentionHeads", "attentionHeadDim"]);
  counts(
    ["patchSize", "outChannels", "numEmbedsAdaNorm", "contextDim", "contextLength", "pooledDim"],
    { orNull: true },
  );
  positive("normEps");
  booleans("attentionBias", "sharedEmbedding", "nullCondition", "selfConditioning");
  if (!CONTEXT_MODES.includes(config.contextMode)) {
    fail(`contextMode ${quote(config.contextMode)} is not one of ${CONTEXT_MODES.join(", ")}`);
  }
  const { sampleSize, patchSize } = config;
  if (patchSize !== null) {
    if (sampleSize % patchSize !== 0) {
      fail(`images of ${sampleSize} pixels do not divide into patches of ${patchSize} (patchSize)`);
    }
    // One quarter each for the sines and the cosines of rows and columns.
    if (ditWidth(config) % 4 !== 0) {
      fail(
        `a token has ${ditWidth(config)} features (numAttentionHeads times attentionHeadDim), ` +
          "and the positions of patches need a multiple of 4",
      );
    }
  }
  if (config.contextLength !== null && config.contextDim === null) {
    fail("contextLength is given without contextDim");
  }
  if (config.nullCondition && config.contextDim === null && config.pooledDim === null) {
    fail("nullCondition needs a condition: contextDim or pooledDim");
  }
  return config;
}
