/** What follows from image.ts's settings, and what is wrong with them together. */
import { FASHION_MNIST_CLASSES } from "../datasets/fashion_mnist.ts";
import { minSnrWeights, p2Weights } from "../diffusion/loss.ts";
import { type NoiseSchedule, noiseSchedule } from "../diffusion/schedules.ts";
import { checkUNetConfig, UNET_DEFAULTS, type UNetConfig } from "../diffusion/unet_config.ts";
import { usageError, UserError } from "../engine/errors.ts";
import { quote } from "../engine/quote.ts";
import type { ImageConfig, ImageFlags } from "./image_flags.ts";

/** The number of classes. */
export const CLASSES = FASHION_MNIST_CLASSES.length;

/** Height and width of the images. */
export const SIDE = 28;

/**
 * Refuses settings that are sound by themselves and not together.
 *
 * @throws {UserError} With exit code 2, naming the flags.
 */
export function checkConsistency(
  { channels, attentionLevels, evalEvery, logEvery, ...diffusion }: ImageConfig,
  given: ImageFlags = {},
): void {
  const levels = channels.length;
  const missing = attentionLevels.find((level) => level >= levels);
  if (missing !== undefined) {
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
  const { timesteps: numTrainTimesteps, betaSchedule, predictionType } = config;
  const rescaleBetasZeroSnr = config.zeroTerminalSnr;
  return noiseSchedule({ numTrainTimesteps, betaSchedule, predictionType, rescaleBetasZeroSnr });
}

/** The loss's weight at each time step [T]; undefined where all weigh the same. */
export function lossWeightsOf(
  { minSnrGamma, p2Gamma, p2K }: ImageConfig,
  schedule: NoiseSchedule,
): Float64Array | undefined {
  if (minSnrGamma > 0) return minSnrWeights(schedule, { gamma: minSnrGamma });
  return p2Gamma > 0 ? p2Weights(schedule, { gamma: p2Gamma, k: p2K }) : undefined;
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
    inChannels: 1,
    outChannels: 1,
    blockOutChannels: config.channels,
    layersPerBlock: config.layersPerBlock,
    downBlockTypes: config.channels.map((_, i) => attends(i) ? "AttnDownBlock2D" : "DownBlock2D"),
    upBlockTypes: config.channels.map((_, i) =>
      attends(levels - 1 - i) ? "AttnUpBlock2D" : "UpBlock2D"
    ),
    attentionHeadDim: config.attentionHeadDim,
    normNumGroups: config.normNumGroups,
    numClassEmbeds: CLASSES + 1, // the last is the null class of classifier-free guidance
  };
  try {
    return checkUNetConfig(unetConfig, "The network");
  } catch (error) {
    throw error instanceof UserError ? usageError(error.message) : error; // the flags are wrong
  }
}

/** The label that stands for no class, if a UNet was trained with one. */
export function nullClassOf({ numClassEmbeds }: UNetConfig): number | undefined {
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
