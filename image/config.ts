/** The settings of an image run: resolved from flags and presets, checked, and turned into a model. */
import { usageError, UserError } from "../base/errors.ts";
import { kebabCase, resolveConfig } from "../cli/flags.ts";
import type { Replay } from "../cli/replay.ts";
import { checkDitConfig, DIT_DEFAULTS, type DitConfig } from "../diffusion/networks/dit_config.ts";
import {
  describeNetwork,
  type ImageNetwork,
  type ImageNetworkConfig,
  networkSpecs,
} from "../diffusion/networks/image_network.ts";
import {
  checkUNetConfig,
  UNET_DEFAULTS,
  type UNetConfig,
} from "../diffusion/networks/unet_config.ts";
import { type NoiseSchedule, noiseSchedule } from "../diffusion/schedules.ts";
import type { ParameterSpecs } from "../nn/parameters.ts";
import { resolveSampling, unusedOptions } from "./check_sampling.ts";
import type { LabelledImages } from "../datasets/batches.ts";
import type { ImageKind, ImageSet } from "../datasets/image_set.ts";
import { nullClassOf } from "./class_labels.ts";
import { type ImageConfig, type ImageFlags, settingsOf } from "./flags.ts";
import { PRESETS } from "./presets.ts";

export interface ImageRun {
  readonly config: ImageConfig;
  readonly network: ImageNetwork;
  readonly specs: ParameterSpecs;
  readonly schedule: NoiseSchedule;
}

/** Images that settings must fit. */
export type FittedImages = ImageKind & Pick<ImageSet, "train" | "validation">;

/**
 * Resolves the settings of a run: flags take precedence over those of the replayed run or of the preset. `log`
 * receives what was changed of the preset to fit the images.
 */
export function resolveRun(
  given: ImageFlags,
  replay: Replay<ImageConfig> | undefined,
  images: FittedImages,
  log: (line: string) => void = () => {},
): ImageRun {
  const preset = PRESETS[given.preset ?? "nano"];
  const defaults = replay?.settings ?? fitToImages(preset, images);
  const own = given.images === undefined ? {} : {
    imageSize: images.height,
    colors: images.channels === 3 ? "rgb" : "grey",
  } as const;
  const resolved = completeSettings(
    { ...resolveConfig(defaults, settingsOf(given)), ...own },
    given,
  );
  checkConsistency(resolved, given);
  const network = describeNetwork(networkOf(resolved, images), images.channels);
  const schedule = scheduleOf(resolved);
  const config = resolveSampling(resolved, given, {
    schedule,
    hasNullClass: nullClassOf(network.config, images.classNames.length) !== undefined,
    learnedVariance: network.learnedVariance,
  });
  const fitted = replay === undefined ? fittedSettings(preset, defaults, { images, given }) : [];
  if (fitted.length > 0) log(["settings that fit the images:", ...fitted].join("\n  "));
  return { config, network, specs: networkSpecs(network.config), schedule };
}

/** The settings that {@linkcode fitToImages} changed, and that no flag sets, with the reasons. */
export function fittedSettings(
  preset: ImageConfig,
  fitted: ImageConfig,
  { images, given }: { readonly images: FittedImages; readonly given: ImageFlags },
): string[] {
  const { width, height, train, validation } = images;
  const unet = (given.denoiser ?? preset.denoiser) === "unet";
  const count = ({ labels }: LabelledImages) => labels.length.toLocaleString("en");
  const levels = fitted.channels.length;
  const reasons: Partial<Record<keyof ImageConfig, string | false>> = {
    batchSize: `there are ${count(train)} training images`,
    validationSize: `${count(validation)} images are held out`,
    channels: unet &&
      `${levels} level${levels === 1 ? "" : "s"} for ${width}x${height} pixels, and ` +
        `${preset.channels.length} for ${PRESET_SIDE}x${PRESET_SIDE}`,
    attentionLevels: unet && "attention at the same levels, counted from the lowest resolution",
    classDropout: "there are no classes",
    guidance: "there are no classes",
  };
  return Object.entries(reasons).flatMap(([name, reason]) => {
    const key = name as keyof ImageConfig;
    const isChanged = String(fitted[key]) !== String(preset[key]);
    return reason && isChanged && given[key] === undefined
      ? [`--${kebabCase(key)}: ${String(fitted[key]) || "none"}; ${reason}`]
      : [];
  });
}

/** The side of the images that the presets' networks are for. */
const PRESET_SIDE = 28;

/**
 * A preset for images of any size: a level of the UNet more for each doubling of the side, and attention at the
 * same levels, counted from the lowest resolution. Without classes there is nothing to drop or to guide by. A
 * batch, and what validates, are not larger than the sets.
 */
export function fitToImages(
  preset: ImageConfig,
  { height, width, classNames, train, validation }: FittedImages,
): ImageConfig {
  const unconditional = classNames.length === 0 ? { classDropout: 0, guidance: 1 } : {};
  const levels = preset.channels.length;
  const side = Math.min(height, width);
  let wanted = Math.max(1, levels + Math.round(Math.log2(side / PRESET_SIDE)));
  while (wanted > 1 && [height, width].some((n) => n % 2 ** (wanted - 1) !== 0)) wanted--;
  const more = wanted - levels;
  const channels = Array.from(
    { length: wanted },
    (_, level) =>
      preset.channels[Math.max(0, level - Math.max(0, more))] ?? preset.channels.at(-1)!,
  );
  const attentionLevels = preset.attentionLevels.map((level) => level + more)
    .filter((level) => level >= 0);
  return {
    ...preset,
    ...unconditional,
    batchSize: Math.min(preset.batchSize, train.labels.length),
    validationSize: Math.min(preset.validationSize, validation.labels.length),
    ...more === 0 ? {} : { channels, attentionLevels },
  };
}

/** Flags that only one network takes. */
const OF_NETWORK = {
  unet: ["channels", "layersPerBlock", "attentionLevels", "attentionHeadDim", "normNumGroups"],
  dit: ["patchSize", "depth", "width", "heads"],
} as const;

/** Flags that do not apply to flow matching, which has no noise schedule. */
const OF_DIFFUSION = [
  "betaSchedule",
  "predictionType",
  "zeroTerminalSnr",
  "minSnrGamma",
  "p2Gamma",
  "timestepSampling",
  "learnedVariance",
] as const;

/**
 * Sets what follows from other settings, unless a flag sets it: flow matching is sampled with flow_euler,
 * ddpm uses learned variances, and a model without a null class is not guided.
 */
export function completeSettings(config: ImageConfig, given: ImageFlags): ImageConfig {
  const { objective, learnedVariance, classDropout } = config;
  let { guidance, sampler, varianceType } = config;
  if (classDropout === 0) guidance = given.guidance ?? 1;
  if (objective === "flow_matching") sampler = given.sampler ?? "flow_euler";
  if (learnedVariance && sampler === "ddpm") varianceType = given.varianceType ?? "learned_range";
  return { ...config, guidance, sampler, varianceType };
}

/** The settings that have an effect, for the report. */
export function settingsInUse(config: ImageConfig): Partial<ImageConfig> {
  const { denoiser, objective, loss, p2Gamma, learnedVariance, sampler } = config;
  const unused: readonly (keyof ImageConfig)[] = [
    ...OF_NETWORK[denoiser === "unet" ? "dit" : "unet"],
    ...objective === "flow_matching" ? OF_DIFFUSION : ["flowTimes", "flowShift"] as const,
    ...loss === "huber" ? [] : ["huberDelta"] as const,
    ...p2Gamma > 0 ? [] : ["p2K"] as const,
    ...learnedVariance ? [] : ["boundWeight"] as const,
    ...unusedOptions(sampler),
  ];
  return Object.fromEntries(
    Object.entries(config).filter(([key]) => !unused.includes(key as keyof ImageConfig)),
  );
}

/** Refuses flags of the other network or objective. */
function checkChoices(config: ImageConfig, given: ImageFlags): void {
  const { denoiser, objective } = config;
  const other = denoiser === "unet" ? "dit" : "unet";
  const foreign = OF_NETWORK[other].find((key) => given[key] !== undefined);
  if (foreign !== undefined) {
    throw usageError(
      `--${kebabCase(foreign)} is for --denoiser ${other}: ${denoiser} does not take it.`,
    );
  }
  if (denoiser === "dit" && config.classDropout === 0) {
    throw usageError(
      "--class-dropout 0: the diffusion transformer has a null class, which would not be trained: " +
        "give a number above 0.",
    );
  }
  if (objective === "flow_matching") {
    const unused = OF_DIFFUSION.find((key) => given[key]);
    if (unused === undefined) return;
    throw usageError(
      `--${kebabCase(unused)} is for --objective diffusion: flow_matching does not take it.`,
    );
  }
  if (given.flowTimes !== undefined) {
    throw usageError(
      `--flow-times ${given.flowTimes} is for --objective flow_matching: give that too.`,
    );
  }
  if (given.boundWeight !== undefined && !config.learnedVariance) {
    throw usageError(
      `--bound-weight ${given.boundWeight} needs --learned-variance: give that too.`,
    );
  }
}

/** Refuses settings that contradict each other. */
export function checkConsistency(config: ImageConfig, given: ImageFlags = {}): void {
  const { attentionLevels, evalEvery, logEvery } = config;
  const { predictionType, zeroTerminalSnr, minSnrGamma, p2Gamma, loss } = config;
  checkChoices(config, given);
  const levels = config.channels.length;
  const missing = attentionLevels.find((level) => level >= levels);
  if (missing !== undefined && config.denoiser === "unet") {
    const has = `${levels} level${levels === 1 ? "" : "s"}, 0 to ${levels - 1}`;
    throw usageError(`--attention-levels ${missing}: --channels has only ${has}; name others.`);
  }
  if (evalEvery % logEvery !== 0) {
    throw usageError(`--eval-every ${evalEvery} must be a multiple of --log-every ${logEvery}.`);
  }
  if (zeroTerminalSnr && predictionType === "epsilon") {
    throw usageError(
      "--zero-terminal-snr ends in pure noise, where --prediction-type epsilon does not determine " +
        "the image: use v_prediction or sample.",
    );
  }
  if (minSnrGamma > 0 && p2Gamma > 0) {
    throw usageError(
      `--min-snr-gamma ${minSnrGamma} and --p2-gamma ${p2Gamma} both weight the loss: set one to 0.`,
    );
  }
  if (given.p2K !== undefined && p2Gamma === 0) {
    throw usageError(`--p2-k ${given.p2K} needs --p2-gamma above 0: give that too.`);
  }
  if (given.huberDelta !== undefined && loss !== "huber") {
    throw usageError(`--huber-delta ${given.huberDelta} is for --loss huber, not ${loss}.`);
  }
}

/** The noise schedule of a configuration. For flow matching only its T is used, as the unit of time. */
export function scheduleOf(config: ImageConfig): NoiseSchedule {
  const { timesteps: numTrainTimesteps, betaSchedule, predictionType, objective } = config;
  if (objective === "flow_matching") return noiseSchedule({ numTrainTimesteps });
  const rescaleBetasZeroSnr = config.zeroTerminalSnr;
  return noiseSchedule({ numTrainTimesteps, betaSchedule, predictionType, rescaleBetasZeroSnr });
}

export function unetConfigOf(config: ImageConfig, images: ImageKind): UNetConfig {
  const { height, width, channels, classNames } = images;
  const levels = config.channels.length;
  const attends = (level: number) => config.attentionLevels.includes(level);
  const unetConfig: UNetConfig = {
    ...UNET_DEFAULTS,
    sampleSize: height === width ? height : [height, width],
    inChannels: config.selfConditioning ? 2 * channels : channels, // the image, and the last estimate of it
    outChannels: config.learnedVariance ? 2 * channels : channels, // the prediction, and the variances
    blockOutChannels: config.channels,
    layersPerBlock: config.layersPerBlock,
    downBlockTypes: config.channels.map((_, i) => attends(i) ? "AttnDownBlock2D" : "DownBlock2D"),
    upBlockTypes: config.channels.map((_, i) =>
      attends(levels - 1 - i) ? "AttnUpBlock2D" : "UpBlock2D"
    ),
    attentionHeadDim: config.attentionHeadDim,
    normNumGroups: config.normNumGroups,
    // The null class of classifier-free guidance is the last, if dropout trains it.
    numClassEmbeds: classNames.length === 0
      ? null
      : classNames.length + (config.classDropout > 0 ? 1 : 0),
  };
  try {
    return checkUNetConfig(unetConfig, "The network");
  } catch (error) {
    throw error instanceof UserError ? usageError(error.message) : error;
  }
}

function ditConfigOf(config: ImageConfig, images: ImageKind): DitConfig {
  const { height, width: imageWidth, channels, classNames } = images;
  const { patchSize, depth, width, heads, learnedVariance, selfConditioning } = config;
  if (height !== imageWidth) {
    throw usageError(`--denoiser dit is for square images, not ${imageWidth}x${height}: use unet.`);
  }
  if (height % patchSize !== 0) {
    const divisors = Array.from({ length: height }, (_, i) => i + 1).filter((n) =>
      height % n === 0
    );
    throw usageError(
      `--patch-size ${patchSize}: the side of the images, ${height}, is not a multiple of it: use ` +
        `${divisors.slice(0, -1).join(", ")} or ${height}.`,
    );
  }
  if (width % heads !== 0 || width % 4 !== 0) {
    throw usageError(`--width ${width} must be a multiple of 4 and of --heads ${heads}.`);
  }
  return checkDitConfig({
    ...DIT_DEFAULTS,
    sampleSize: height,
    patchSize,
    inChannels: channels,
    outChannels: learnedVariance ? 2 * channels : channels,
    numLayers: depth,
    numAttentionHeads: heads,
    attentionHeadDim: width / heads,
    numEmbedsAdaNorm: classNames.length === 0 ? null : classNames.length, // and a null class
    selfConditioning,
  });
}

export function networkOf(config: ImageConfig, images: ImageKind): ImageNetworkConfig {
  return config.denoiser === "dit" ? ditConfigOf(config, images) : unetConfigOf(config, images);
}
