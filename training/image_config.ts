/** What follows from image.ts's settings, and what is wrong with them together. */
import { FASHION_MNIST_CLASSES } from "../datasets/fashion_mnist.ts";
import { checkUNetConfig, UNET_DEFAULTS, type UNetConfig } from "../diffusion/unet_config.ts";
import { usageError, UserError } from "../engine/errors.ts";
import type { ImageConfig } from "./image_flags.ts";

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
  { sampleSteps, timesteps, evalEvery, logEvery, guidance, classDropout, ...network }: ImageConfig,
): void {
  const levels = network.channels.length;
  const missing = network.attentionLevels.find((level) => level >= levels);
  if (missing !== undefined) {
    throw usageError(
      `--attention-levels ${missing}: --channels has only ${levels} level${
        levels === 1 ? "" : "s"
      }, 0 to ${levels - 1}; name others.`,
    );
  }
  if (sampleSteps > timesteps) {
    throw usageError(
      `--sample-steps ${sampleSteps} is more than the ${timesteps} --timesteps there are: lower it.`,
    );
  }
  if (evalEvery % logEvery !== 0) {
    throw usageError(`--eval-every ${evalEvery} must be a multiple of --log-every ${logEvery}.`);
  }
  if (guidance !== 1 && classDropout === 0) {
    throw usageError(
      `--guidance ${guidance} needs a null class: set --class-dropout above 0, or --guidance 1.`,
    );
  }
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
 * @throws {UserError} With exit code 2 if there is no such class.
 */
export function classIndex(name: string | undefined): number | undefined {
  if (name === undefined) return undefined;
  const index = FASHION_MNIST_CLASSES.findIndex((c) => c.toLowerCase() === name.toLowerCase());
  if (index >= 0) return index;
  throw usageError(`--class "${name}": must be one of ${FASHION_MNIST_CLASSES.join(", ")}.`);
}
