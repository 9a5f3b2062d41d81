/** The UNet's configuration, in the format of diffusers' UNet2DModel, and its layers. */
import { UserError } from "../../base/errors.ts";
import { quote } from "../../base/quote.ts";
import { configChecks, isCount } from "./config_checks.ts";
import { fromDiffusersConfig, toDiffusersConfig } from "./diffusers_config.ts";

/** The types of blocks that reduce the resolution. */
export const DOWN_BLOCK_TYPES = [
  "DownBlock2D",
  "AttnDownBlock2D",
  "ResnetDownsampleBlock2D",
] as const;

/** The types of blocks that increase the resolution. */
export const UP_BLOCK_TYPES = ["UpBlock2D", "AttnUpBlock2D", "ResnetUpsampleBlock2D"] as const;

/** Settings of a UNet, named as in diffusers' UNet2DModel: {@linkcode unetConfig} fills in its defaults. */
export interface UNetConfig {
  /**
   * Height and width of the images, or one number for both. Each block except the last halves them. null if
   * the size is not known.
   */
  readonly sampleSize: number | readonly [number, number] | null;
  /** Channels of the input. */
  readonly inChannels: number;
  /** Channels of the output. */
  readonly outChannels: number;
  /** Channels at each resolution, the highest first. */
  readonly blockOutChannels: readonly number[];
  /** Residual blocks at each resolution; each up block has one more. */
  readonly layersPerBlock: number;
  /** The type of the down block at each resolution, the highest first. */
  readonly downBlockTypes: readonly (typeof DOWN_BLOCK_TYPES[number])[];
  /** The type of the up block at each resolution, the lowest first. */
  readonly upBlockTypes: readonly (typeof UP_BLOCK_TYPES[number])[];
  /** Whether the middle block has attention. */
  readonly addAttention: boolean;
  /** Padding of the convolutions that halve images: 0 pads only at the right and the bottom. */
  readonly downsamplePadding: 0 | 1;
  /** How blocks with attention reduce the resolution: by a convolution, or by a residual block. */
  readonly downsampleType: "conv" | "resnet";
  /** How blocks with attention increase the resolution. */
  readonly upsampleType: "conv" | "resnet";
  /** How residual blocks use the time: as an addend, or as a scale and a shift (Dhariwal and Nichol 2021). */
  readonly resnetTimeScaleShift: "default" | "scale_shift";
  /**
   * Features of an attention head; null for one head. Channels beyond the last whole head are not attended
   * with; a level with fewer channels has one head of all of them.
   */
  readonly attentionHeadDim: number | null;
  /** Groups of the group normalizations. */
  readonly normNumGroups: number;
  /**
   * Groups of the normalization before the middle block's attention; null for normNumGroups, or for none
   * with scale_shift.
   */
  readonly attnNormNumGroups: number | null;
  /** Added to the variances of the group normalizations. */
  readonly normEps: number;
  /** Rows of the class embedding, or null for an unconditional model. */
  readonly numClassEmbeds: number | null;
  /** Whether cosines come before sines in the time embedding. */
  readonly flipSinToCos: boolean;
  /** See timestepEmbedding. */
  readonly freqShift: number;
  /** Whether the input x is replaced by 2x - 1, for images in [0, 1]. */
  readonly centerInputSample: boolean;
  /** Features of the time embedding; null for 4 times the first resolution's channels. */
  readonly timeEmbeddingDim: number | null;
}

/** diffusers' defaults, for images of 32 x 32 pixels. */
export const UNET_DEFAULTS: UNetConfig = {
  sampleSize: 32,
  inChannels: 3,
  outChannels: 3,
  blockOutChannels: [224, 448, 672, 896],
  layersPerBlock: 2,
  downBlockTypes: ["DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"],
  upBlockTypes: ["AttnUpBlock2D", "AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D"],
  addAttention: true,
  downsamplePadding: 1,
  downsampleType: "conv",
  upsampleType: "conv",
  resnetTimeScaleShift: "default",
  attentionHeadDim: 8,
  normNumGroups: 32,
  attnNormNumGroups: null,
  normEps: 1e-5,
  numClassEmbeds: null,
  flipSinToCos: true,
  freqShift: 0,
  centerInputSample: false,
  timeEmbeddingDim: null,
};

/**
 * A configuration from the settings that differ from {@linkcode UNET_DEFAULTS}. Unless block types are given,
 * all levels but the highest have attention.
 *
 * @example A small UNet for grey images of 28 x 28 pixels in ten classes
 * ```ts
 * import { countParameters, unetConfig, unetSpecs } from "@nanodiffusion/nanodiffusion";
 *
 * const config = unetConfig({
 *   sampleSize: 28,
 *   inChannels: 1,
 *   outChannels: 1,
 *   blockOutChannels: [32, 64],
 *   numClassEmbeds: 11, // and a null class
 * });
 * console.log(countParameters(unetSpecs(config)));
 * ```
 *
 * @throws {UserError} If the settings contradict each other.
 */
export function unetConfig(settings: Partial<UNetConfig> = {}): UNetConfig {
  const { blockOutChannels = UNET_DEFAULTS.blockOutChannels } = settings;
  const hasAttention = blockOutChannels.map((_, level) => level > 0);
  return checkUNetConfig({
    ...UNET_DEFAULTS,
    downBlockTypes: hasAttention.map((has) => has ? "AttnDownBlock2D" : "DownBlock2D"),
    upBlockTypes: hasAttention.toReversed().map((has) => has ? "AttnUpBlock2D" : "UpBlock2D"),
    ...settings,
  });
}

/** The further settings of diffusers' configuration, with the only values that are supported. */
const FIXED = {
  act_fn: "silu",
  class_embed_type: null,
  mid_block_scale_factor: 1,
  mid_block_type: "UNetMidBlock2D",
  time_embedding_type: "positional",
} as const;

/** Settings without effect on what a trained model computes: num_train_timesteps is for other embeddings. */
const WITHOUT_EFFECT = { dropout: 0, num_train_timesteps: null } as const;

/** The configuration as diffusers' config.json. */
export function unetConfigToJson(config: UNetConfig): Record<string, unknown> {
  return toDiffusersConfig(
    "UNet2DModel",
    { ...FIXED, ...WITHOUT_EFFECT },
    Object.entries(config),
  );
}

/**
 * Reads diffusers' config.json of a UNet2DModel. dropout is ignored: it is for training.
 *
 * @param where The file, for error messages.
 * @throws {UserError} If it is of another class or has an unsupported setting.
 */
export function unetConfigFromJson(json: Record<string, unknown>, where: string): UNetConfig {
  const className = json["_class_name"];
  if (className !== undefined && className !== "UNet2DModel") {
    throw new UserError(`${where} describes a ${quote(className)}; it must be a UNet2DModel.`);
  }
  const withoutPrefix = (types: unknown): unknown =>
    Array.isArray(types)
      ? types.map((type) => typeof type === "string" ? type.replace(/^UNetRes/, "") : type)
      : types;
  const renamed = {
    ...json,
    act_fn: json["act_fn"] === "swish" ? "silu" : json["act_fn"], // two names of one function
    down_block_types: withoutPrefix(json["down_block_types"]), // old files begin them so
    up_block_types: withoutPrefix(json["up_block_types"]),
  };
  const defaults = { ...UNET_DEFAULTS, sampleSize: null };
  return checkUNetConfig(fromDiffusersConfig(renamed, { fixed: FIXED, defaults, where }), where);
}

/** Checks a configuration and returns it; `where` is the subject of error messages. */
export function checkUNetConfig(config: UNetConfig, where = "The UNet"): UNetConfig {
  const { blockOutChannels, downBlockTypes, upBlockTypes, normNumGroups, sampleSize } = config;
  const { fail, counts, positive, booleans, oneOf } = configChecks(config, where);
  counts(["layersPerBlock"], { most: 100 }); // each layer has many tensors
  counts(["inChannels", "outChannels", "normNumGroups"]);
  counts(["attentionHeadDim", "numClassEmbeds", "timeEmbeddingDim", "attnNormNumGroups"], {
    orNull: true,
  });
  positive("normEps");
  oneOf("downsamplePadding", [0, 1]);
  oneOf("downsampleType", ["conv", "resnet"]);
  oneOf("upsampleType", ["conv", "resnet"]);
  oneOf("resnetTimeScaleShift", ["default", "scale_shift"]);
  booleans("addAttention", "flipSinToCos", "centerInputSample");
  if (!Number.isFinite(config.freqShift)) fail(`freqShift is ${quote(config.freqShift)}`);
  const sizes: unknown[] = Array.isArray(sampleSize) ? sampleSize : [sampleSize, sampleSize];
  if (sampleSize !== null && (sizes.length !== 2 || !sizes.every((size) => isCount(size)))) {
    fail(`sampleSize is ${quote(sampleSize)}; use a whole number, or two of them`);
  }
  for (const key of ["blockOutChannels", "downBlockTypes", "upBlockTypes"] as const) {
    if (!Array.isArray(config[key])) fail(`${key} is ${quote(config[key])}; use a list`);
  }
  const wrong = blockOutChannels.find((channels) => !isCount(channels));
  if (wrong !== undefined) fail(`blockOutChannels has ${quote(wrong)}; use whole numbers above 0`);
  const levels = blockOutChannels.length;
  if (levels === 0) fail("blockOutChannels is empty");
  if (levels > 16) fail(`blockOutChannels has ${levels} entries; use at most 16`);
  if (downBlockTypes.length !== levels || upBlockTypes.length !== levels) {
    fail(
      `blockOutChannels has ${levels} entries, downBlockTypes ${downBlockTypes.length} and ` +
        `upBlockTypes ${upBlockTypes.length}; all need the same number`,
    );
  }
  const checkTypes = (types: readonly string[], known: readonly string[]) => {
    const unknown = types.find((type) => !known.includes(type));
    if (unknown !== undefined) {
      fail(`block type ${quote(unknown)} is not one of ${known.join(", ")}`);
    }
  };
  checkTypes(downBlockTypes, DOWN_BLOCK_TYPES);
  checkTypes(upBlockTypes, UP_BLOCK_TYPES);
  for (const channels of blockOutChannels) {
    if (channels % normNumGroups !== 0) {
      fail(`${channels} channels do not divide into ${normNumGroups} groups (normNumGroups)`);
    }
  }
  const last = blockOutChannels.at(-1)!;
  const groups = config.attnNormNumGroups ?? 1;
  if (last % groups !== 0) {
    fail(`${last} channels do not divide into ${groups} groups (attnNormNumGroups)`);
  }
  const factor = 2 ** (levels - 1);
  for (const size of sampleSize === null ? [] : sizeOfSample(sampleSize)) {
    if (size % factor !== 0) {
      fail(
        `images of ${size} pixels cannot be halved ${levels - 1} times; use a multiple of ` +
          `${factor}, or fewer entries in blockOutChannels`,
      );
    }
  }
  return config;
}

/** Height and width. */
export function sizeOfSample(
  sampleSize: number | readonly [number, number],
): readonly [number, number] {
  return typeof sampleSize === "number" ? [sampleSize, sampleSize] : sampleSize;
}

/** Self-attention of pixels; `name` is the prefix of its parameters. */
export interface AttentionPlan {
  readonly name: string;
  readonly heads: number;
  /** Features of all heads together. */
  readonly features: number;
  /** Groups of the normalization before it, or null for none. */
  readonly groups: number | null;
}

/** A residual block; `name` is the prefix of its parameters. */
export interface ResnetPlan {
  readonly name: string;
  /** Channels of its input, skip connection included. */
  readonly inChannels: number;
  readonly outChannels: number;
  /** The attention that follows, if there is one. */
  readonly attention?: AttentionPlan | undefined;
  /** Whether it halves or doubles height and width. */
  readonly resizes?: "halves" | "doubles";
}

/** The layers at one resolution. */
export interface BlockPlan {
  readonly resnets: readonly ResnetPlan[];
  /** What changes the resolution, if anything: a convolution with this prefix, or a residual block. */
  readonly resample: string | ResnetPlan | undefined;
  /** Channels of the block's output. */
  readonly channels: number;
}

/** The layers of a UNet in the order in which they run, with diffusers' names. */
export function planUNet(config: UNetConfig) {
  const { blockOutChannels, layersPerBlock, downBlockTypes, upBlockTypes } = config;
  const { normNumGroups, resnetTimeScaleShift } = config;
  const levels = blockOutChannels.length;
  let channels = blockOutChannels[0]!;
  const skips = [channels]; // channels of the skip connections, in the order of their outputs
  const attentionPlan = (name: string, groups: number | null = normNumGroups): AttentionPlan => {
    const head = Math.min(config.attentionHeadDim ?? channels, channels);
    const heads = Math.floor(channels / head);
    return { name, heads, features: heads * head, groups };
  };
  const down = downBlockTypes.map((type, level): BlockPlan => {
    const prefix = `down_blocks.${level}`;
    const attends = type === "AttnDownBlock2D";
    const outChannels = blockOutChannels[level]!;
    const resnets = Array.from({ length: layersPerBlock }, (_, i): ResnetPlan => {
      const inChannels = channels;
      channels = outChannels;
      skips.push(channels);
      const attention = attends ? attentionPlan(`${prefix}.attentions.${i}`) : undefined;
      return { name: `${prefix}.resnets.${i}`, inChannels, outChannels, attention };
    });
    if (level === levels - 1) return { resnets, channels, resample: undefined };
    skips.push(channels);
    const name = `${prefix}.downsamplers.0`;
    const isResnet = attends ? config.downsampleType === "resnet" : type !== "DownBlock2D";
    const resample: BlockPlan["resample"] = isResnet
      ? { name, inChannels: channels, outChannels: channels, resizes: "halves" }
      : `${name}.conv`;
    return { resnets, channels, resample };
  });
  const groups = config.attnNormNumGroups ??
    (resnetTimeScaleShift === "default" ? normNumGroups : null);
  const middle = [0, 1].map((i): ResnetPlan => ({
    name: `mid_block.resnets.${i}`,
    inChannels: channels,
    outChannels: channels,
    attention: i === 0 && config.addAttention
      ? attentionPlan("mid_block.attentions.0", groups)
      : undefined,
  }));
  const up = upBlockTypes.map((type, level): BlockPlan => {
    const prefix = `up_blocks.${level}`;
    const attends = type === "AttnUpBlock2D";
    const outChannels = blockOutChannels[levels - 1 - level]!;
    const resnets = Array.from({ length: layersPerBlock + 1 }, (_, i): ResnetPlan => {
      const inChannels = channels + skips.pop()!;
      channels = outChannels;
      const attention = attends ? attentionPlan(`${prefix}.attentions.${i}`) : undefined;
      return { name: `${prefix}.resnets.${i}`, inChannels, outChannels, attention };
    });
    if (level === levels - 1) return { resnets, channels, resample: undefined };
    const name = `${prefix}.upsamplers.0`;
    const isResnet = attends ? config.upsampleType === "resnet" : type !== "UpBlock2D";
    const resample: BlockPlan["resample"] = isResnet
      ? { name, inChannels: channels, outChannels: channels, resizes: "doubles" }
      : `${name}.conv`;
    return { resnets, channels, resample };
  });
  const timeEmbeddingDim = config.timeEmbeddingDim ?? 4 * blockOutChannels[0]!;
  return { down, middle, up, timeEmbeddingDim };
}

/** The residual blocks at one resolution, with the one that changes it. */
export function resnetsOf({ resnets, resample }: BlockPlan): readonly ResnetPlan[] {
  return typeof resample === "object" ? [...resnets, resample] : resnets;
}
