/** What follows from image.ts's settings, and what is wrong with them together. */
import { FASHION_MNIST_CLASSES } from "../datasets/fashion_mnist.ts";
import { checkDitConfig, DIT_DEFAULTS, type DitConfig } from "../diffusion/networks/dit_config.ts";
import { type ImageNetworkConfig, isDit } from "../diffusion/networks/image_network.ts";
import { type NoiseSchedule, noiseSchedule } from "../diffusion/schedules.ts";
import {
  checkUNetConfig,
  UNET_DEFAULTS,
  type UNetConfig,
} from "../diffusion/networks/unet_config.ts";
import { usageError, UserError } from "../base/errors.ts";
import { quote } from "../base/quote.ts";
import { kebabCase } from "../cli/flags.ts";
import type { ImageConfig, ImageFlags } from "./flags.ts";

/** The number of classes. */
export const CLASSES = FASHION_MNIST_CLASSES.length;

/** Height and width of the images. */
export const SIDE = 28;

/** Flags that one network alone takes. */
const OF_NETWORK = {
  unet: ["channels", "layersPerBlock", "attentionLevels", "attentionHeadDim", "normNumGroups"],
  dit: ["patchSize", "depth", "width", "heads"],
} as const;

/** Flags that have no use where a flow is trained: it has no noise schedule. */
const OF_DIFFUSION = [
  ...["betaSchedule", "predictionType", "zeroTerminalSnr", "minSnrGamma", "p2Gamma"] as const,
  ...["timestepSampling", "learnedVariance"] as const,
] as const;

/**
 * Settings with those that follow from others where they were not given: a flow's sampler is
 * flow_euler, and ddpm uses the variances that are learned.
 */
export function completeSettings(config: ImageConfig, given: ImageFlags): ImageConfig {
  const { objective, learnedVariance, sampler } = config;
  if (objective === "flow_matching" && given.sampler === undefined) {
    return { ...config, sampler: "flow_euler" };
  }
  if (learnedVariance && sampler === "ddpm" && given.varianceType === undefined) {
    return { ...config, varianceType: "learned_range" };
  }
  return config;
}

/** Refuses flags of another network or objective than the chosen one. */
function checkChoices(config: ImageConfig, given: ImageFlags): void {
  const { denoiser, objective } = config;
  const other = denoiser === "unet" ? "dit" : "unet";
  const foreign = OF_NETWORK[other].find((key) => given[key] !== undefined);
  if (foreign !== undefined) {
    throw usageError(
      `--${kebabCase(foreign)} is for --denoiser ${other}: ${denoiser} has no use for it.`,
    );
  }
  if (denoiser === "dit" && config.classDropout === 0) {
    throw usageError(
      "--class-dropout 0: the diffusion transformer's layout has a null class, which would never be " +
        "trained: give a number above 0.",
    );
  }
  if (objective === "flow_matching") {
    const unused = OF_DIFFUSION.find((key) => given[key]);
    if (unused === undefined) return;
    throw usageError(
      `--${kebabCase(unused)} is for --objective diffusion: a flow has no use for it.`,
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

/**
 * Refuses settings that are sound by themselves and not together.
 *
 * @throws {UserError} With exit code 2, naming the flags.
 */
export function checkConsistency(config: ImageConfig, given: ImageFlags = {}): void {
  const { channels, attentionLevels, evalEvery, logEvery, ...diffusion } = config;
  checkChoices(config, given);
  const levels = channels.length;
  const missing = attentionLevels.find((level) => level >= levels);
  if (missing !== undefined && config.denoiser === "unet") {
    throw usageError(
      `--attention-levels ${missing}: --channels has only ${levels} level${
        levels === 1 ? "" : "s"
      }, 0 to ${levels - 1}; name others.`,
    );
  }
  if (evalEvery % logEvery !== 0) {
    throw usageError(`--eval-every ${evalEvery} must be a multiple of --log-every ${logEvery}.`);
  }
  const { predictionType, zeroTerminalSnr, minSnrGamma, p2Gamma, loss } = diffusion;
  if (zeroTerminalSnr && predictionType === "epsilon") {
    throw usageError(
      "--zero-terminal-snr ends in pure noise, where --prediction-type epsilon says nothing of the " +
        "image: use v_prediction or sample.",
    );
  }
  if (minSnrGamma > 0 && p2Gamma > 0) {
    throw usageError(
      `--min-snr-gamma ${minSnrGamma} and --p2-gamma ${p2Gamma} both weigh the loss: set one to 0.`,
    );
  }
  if (given.p2K !== undefined && p2Gamma === 0) {
    throw usageError(`--p2-k ${given.p2K} needs --p2-gamma above 0: give that too.`);
  }
  if (given.huberDelta !== undefined && loss !== "huber") {
    throw usageError(`--huber-delta ${given.huberDelta} is for --loss huber, not ${loss}.`);
  }
}

/**
 * The noise schedule that a configuration asks for.
 *
 * @throws {UserError} With exit code 2 if there can be no such schedule.
 */
export function scheduleOf(config: ImageConfig): NoiseSchedule {
  const { timesteps: numTrainTimesteps, betaSchedule, predictionType, objective } = config;
  // A flow has none: its T is what its times are counted in.
  if (objective === "flow_matching") return noiseSchedule({ numTrainTimesteps });
  const rescaleBetasZeroSnr = config.zeroTerminalSnr;
  return noiseSchedule({ numTrainTimesteps, betaSchedule, predictionType, rescaleBetasZeroSnr });
}

/**
 * The UNet that a configuration asks for.
 *
 * @throws {UserError} With exit code 2 if there can be no such network.
 */
export function unetConfigOf(config: ImageConfig): UNetConfig {
  const levels = config.channels.length;
  const attends = (level: number) => config.attentionLevels.includes(level);
  const unetConfig: UNetConfig = {
    ...UNET_DEFAULTS,
    sampleSize: SIDE,
    inChannels: config.selfConditioning ? 2 : 1, // the estimate is the second
    outChannels: config.learnedVariance ? 2 : 1, // the variances are the second
    blockOutChannels: config.channels,
    layersPerBlock: config.layersPerBlock,
    downBlockTypes: config.channels.map((_, i) => attends(i) ? "AttnDownBlock2D" : "DownBlock2D"),
    upBlockTypes: config.channels.map((_, i) =>
      attends(levels - 1 - i) ? "AttnUpBlock2D" : "UpBlock2D"
    ),
    attentionHeadDim: config.attentionHeadDim,
    normNumGroups: config.normNumGroups,
    // The last is the null class of classifier-free guidance, if it is ever seen.
    numClassEmbeds: config.classDropout > 0 ? CLASSES + 1 : CLASSES,
  };
  try {
    return checkUNetConfig(unetConfig, "The network");
  } catch (error) {
    throw error instanceof UserError ? usageError(error.message) : error; // the flags are wrong
  }
}

/**
 * The diffusion transformer that a configuration asks for.
 *
 * @throws {UserError} With exit code 2 if there can be no such network.
 */
export function ditConfigOf(config: ImageConfig): DitConfig {
  const { patchSize, depth, width, heads, learnedVariance, selfConditioning } = config;
  if (SIDE % patchSize !== 0) {
    throw usageError(
      `--patch-size ${patchSize}: images of ${SIDE} pixels do not divide into such patches: use 1, ` +
        "2, 4, 7, 14 or 28.",
    );
  }
  if (width % heads !== 0 || width % 4 !== 0) {
    throw usageError(`--width ${width} must be a multiple of 4 and of --heads ${heads}.`);
  }
  return checkDitConfig({
    ...DIT_DEFAULTS,
    sampleSize: SIDE,
    patchSize,
    inChannels: 1,
    outChannels: learnedVariance ? 2 : 1,
    numLayers: depth,
    numAttentionHeads: heads,
    attentionHeadDim: width / heads,
    numEmbedsAdaNorm: CLASSES, // a null class is added to them
    selfConditioning,
  });
}

/**
 * The network that a configuration asks for.
 *
 * @throws {UserError} With exit code 2 if there can be no such network.
 */
export function networkOf(config: ImageConfig): ImageNetworkConfig {
  return config.denoiser === "dit" ? ditConfigOf(config) : unetConfigOf(config);
}

/** The label that stands for no class, if a network was trained with one. */
export function nullClassOf(config: ImageNetworkConfig): number | undefined {
  if (isDit(config)) return config.numEmbedsAdaNorm === CLASSES ? CLASSES : undefined;
  const { numClassEmbeds } = config;
  return numClassEmbeds !== null && numClassEmbeds > CLASSES ? CLASSES : undefined;
}

/**
 * The index of a class by its name, written in any case.
 *
 * @param flag The flag that names it, for the message.
 * @throws {UserError} With exit code 2 if there is no such class.
 */
export function classIndex(name: string, flag = "--class"): number {
  const index = FASHION_MNIST_CLASSES.findIndex((c) => c.toLowerCase() === name.toLowerCase());
  if (index >= 0) return index;
  throw usageError(`${flag} ${quote(name)}: must be one of ${FASHION_MNIST_CLASSES.join(", ")}.`);
}
