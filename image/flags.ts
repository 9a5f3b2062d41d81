/** The flags of image.ts. Their defaults are in the presets. */
import { FASHION_MNIST_CLASSES } from "../datasets/fashion_mnist.ts";
import { lossTypes } from "../diffusion/loss.ts";
import { varianceTypes } from "../diffusion/posterior.ts";
import { flowTimeDensities } from "../diffusion/flow_matching.ts";
import { flowSamplerNames, samplerNames } from "../diffusion/samplers/registry.ts";
import { betaSchedules, predictionTypes } from "../diffusion/schedules.ts";
import { timestepDraws } from "../diffusion/timestep_sampling.ts";
import { timestepSpacings } from "../diffusion/timesteps.ts";
import {
  choice,
  type FlagValues,
  integer,
  integers,
  number,
  text,
  toggle,
} from "../cli/flag_kinds.ts";
import type { Example } from "../cli/help.ts";
import { OUTPUT_FLAGS } from "../cli/output.ts";
import {
  DEVICE_FLAGS,
  folderFlags,
  OBJECTIVE_MEANINGS,
  PREDICTION_MEANINGS,
  rareTrainingFlags,
  SAMPLER_MEANINGS,
  SEED_FLAG,
  TIMESTEP_MEANINGS,
  trainingFlags,
} from "../cli/run_flags.ts";

/** How samplers other than ddpm and ddim space their noise levels. */
const SIGMA_SPACINGS = ["timesteps", "karras", "exponential"] as const;

/** What is trained: a denoiser with a noise schedule, or a flow along straight lines. */
const OBJECTIVES = ["diffusion", "flow_matching"] as const;

const DENOISERS = ["unet", "dit"] as const;

/** How the timesteps of a batch are sampled; "loss_aware" keeps a memory of losses. */
const TIMESTEP_SAMPLINGS = [...timestepDraws, "loss_aware"] as const;

const DATA = {
  imageSize: integer({
    min: 4,
    max: 1024,
    help:
      "--images: the side of the squares that are cut out of the middle and resized; by default " +
      "the images' own if all are equal squares of at most 64, else 32 or less. With --sample-only, " +
      "the side of a model's images if its config.json does not have it",
  }),
  colors: choice(["grey", "rgb"], {
    help: "--images: channels of the images; by default grey if all files are",
  }),
  flip: toggle({ help: "mirror half of the training images from left to right" }),
};

const TRAINING = {
  ...trainingFlags("images"),
  startFrom: text({
    placeholder: "DIR",
    help: "initialize with the weights of this run or checkpoint, whose network must be the same",
  }),
};

const DIFFUSION = {
  objective: choice(OBJECTIVES, { help: "what is trained", meanings: OBJECTIVE_MEANINGS }),
  predictionType: choice(predictionTypes, {
    help: "what the network predicts",
    meanings: PREDICTION_MEANINGS,
  }),
  timesteps: integer({ min: 2, max: 100000, help: "T, the timesteps of the noise schedule" }),
  betaSchedule: choice(betaSchedules, {
    help: "noise schedule",
    meanings: {
      linear: "betas from 1e-4 to 0.02 (Ho et al. 2020)",
      scaled_linear: "their square roots are linear (Rombach et al. 2022)",
      squaredcos_cap_v2: "cosine, betas up to 0.999 (Nichol and Dhariwal 2021)",
      sigmoid: "betas follow a sigmoid",
      quadratic: "the same as scaled_linear",
      linear_scaled_to_t: "linear with betas multiplied by 1000 / T",
      cosine_continuous: "cosine without a limit on beta",
    },
  }),
  classDropout: number({
    min: 0,
    max: 1,
    help: "share of labels that are dropped for classifier-free guidance; 0 trains no null class",
  }),
  learnedVariance: toggle({
    help:
      "also learn the variances of ddpm's steps, with the hybrid loss of Nichol and Dhariwal 2021",
  }),
  selfConditioning: toggle({
    help:
      "condition the network on its last estimate of x0 (Chen et al. 2023); half of the training " +
      "steps take a second forward pass",
  }),
};

const RARE_TRAINING = {
  ...rareTrainingFlags("images", 10000),
  loss: choice(lossTypes, { help: "loss between prediction and target" }),
  huberDelta: number({ above: 0, help: "--loss huber: errors above this count linearly" }),
  minSnrGamma: number({
    min: 0,
    help: "gamma of min-SNR loss weights (Hang et al. 2023); 0 is off",
  }),
  p2Gamma: number({
    min: 0,
    max: 10,
    help: "gamma of P2 loss weights (Choi et al. 2022); 0 is off",
  }),
  p2K: number({ above: 0, help: "k of P2 loss weights; it limits the weights at high noise" }),
  timestepSampling: choice(TIMESTEP_SAMPLINGS, {
    help: "how the timesteps of a batch are sampled",
    meanings: {
      ...TIMESTEP_MEANINGS,
      loss_aware: "more often where losses were large, with smaller weights there",
    },
  }),
  zeroTerminalSnr: toggle({ help: "rescale the schedule to end in pure noise (Lin et al. 2024)" }),
  boundWeight: number({
    min: 0,
    max: 1,
    help: "--learned-variance: weight of the variational bound in the loss",
  }),
  flowTimes: choice(flowTimeDensities, {
    help: "--objective flow_matching: density of the training times",
  }),
};

const NETWORK = {
  denoiser: choice(DENOISERS, {
    help: "network architecture",
    meanings: { unet: "UNet with attention", dit: "diffusion transformer (Peebles and Xie 2023)" },
  }),
  channels: integers({ min: 1, help: "unet: channels at each resolution" }),
  layersPerBlock: integer({ min: 1, max: 16, help: "unet: residual blocks at each resolution" }),
  attentionLevels: integers({ min: 0, help: "unet: resolutions with attention; 0 is the finest" }),
  attentionHeadDim: integer({ min: 1, help: "unet: width of an attention head" }),
  normNumGroups: integer({ min: 1, help: "unet: groups of GroupNorm; they divide the channels" }),
  patchSize: integer({ min: 1, max: 28, help: "dit: side of a patch in pixels; it divides 28" }),
  depth: integer({ min: 1, max: 64, help: "dit: transformer blocks" }),
  width: integer({ min: 4, help: "dit: width; a multiple of 4 and of --heads" }),
  heads: integer({ min: 1, help: "dit: attention heads" }),
};

const SAMPLING = {
  samples: integer({
    min: 1,
    max: 100000,
    help: "images to generate, equal shares of the classes",
  }),
  sampler: choice([...samplerNames, ...flowSamplerNames], {
    help: "sampling algorithm; flow_matching has flow_euler only",
    meanings: SAMPLER_MEANINGS,
  }),
  sampleSteps: integer({ min: 1, help: "sampling steps; at most T" }),
  eta: number({ min: 0, max: 1, help: "ddim: 0 adds no noise, 1 as much as ddpm" }),
  guidance: number({ min: 0, max: 100, help: "classifier-free guidance scale; 1 is off" }),
};

const RARE_SAMPLING = {
  timestepSpacing: choice(timestepSpacings, {
    help: "which of the T timesteps are visited (Lin et al. 2024, table 2)",
    meanings: {
      leading: "from 0 in equal strides; does not start at pure noise",
      trailing: "from T - 1 down in equal strides",
      linspace: "both 0 and T - 1, and evenly between",
    },
  }),
  sampleTimesteps: integers({
    min: 0,
    help: "the timesteps to visit, decreasing and below T; replaces --sample-steps and " +
      "--timestep-spacing",
  }),
  respacing: text({
    placeholder: "HOW",
    help:
      "the timesteps to visit: ddimN for N at equal strides, quadN for N that are denser at low " +
      "noise, or 10,15,20 for 10, 15 and 20 steps in the three thirds from clean to noisy",
  }),
  sigmaSpacing: choice(SIGMA_SPACINGS, {
    help: "noise levels of all samplers except for ddpm and ddim",
    meanings: {
      timesteps: "those of the visited timesteps",
      karras: "as Karras et al. 2022, equation 5",
      exponential: "evenly spaced logarithms",
    },
  }),
  solverOrder: integer({ min: 1, max: 3, help: "dpmpp_*, unipc: order of the solver" }),
  varianceType: choice(varianceTypes, {
    help: "ddpm: variance of a step; the *_log types differ in rounding only",
    meanings: {
      fixed_small: "variance of the posterior",
      fixed_small_log: "the same",
      fixed_large: "beta",
      fixed_large_log: "the same",
      learned_range: "the network's own, with --learned-variance",
    },
  }),
  flowShift: number({
    above: 0,
    help: "flow_euler: above 1 takes more of the steps at high noise",
  }),
  guidanceRescale: number({
    min: 0,
    max: 1,
    help: "undo this share of the contrast that guidance adds (Lin et al. 2024)",
  }),
  guidanceLow: number({
    min: 0,
    help: "guide only above this noise level, sigma of Karras et al. 2022; 0 is no limit",
  }),
  guidanceHigh: number({ min: 0, help: "guide only up to this noise level; 0 is no limit" }),
  dynamicThreshold: number({
    min: 0,
    max: 1,
    help:
      "dynamic thresholding (Saharia et al. 2022) at this quantile, such as 0.995; 0 clips x0 to " +
      "[-1, 1] instead",
  }),
};

const SETTINGS = {
  seed: SEED_FLAG,
  data: DATA,
  training: TRAINING,
  rareTraining: RARE_TRAINING,
  diffusion: DIFFUSION,
  network: NETWORK,
  sampling: SAMPLING,
  rareSampling: RARE_SAMPLING,
};

export const IMAGE_FLAGS = {
  "Presets": {
    preset: choice(["smoke", "nano", "small", "paper"], {
      help: "default settings; nano if not given",
      meanings: {
        smoke: "seconds: runs every part, learns almost nothing",
        nano: "minutes on two CPU cores",
        small: "hours on two CPU cores: how the released checkpoint was trained",
        paper: "days on two CPU cores: the UNet of Ho et al. 2020, scaled to 28x28 images",
      },
    }),
  },
  "Run": {
    ...folderFlags({
      folder: "runs/image-PRESET-SEED",
      extendable: "--steps or of the sampling flags",
    }),
    ...SEED_FLAG,
    ...DEVICE_FLAGS,
    ...OUTPUT_FLAGS,
  },
  "Data": {
    images: text({
      placeholder: "DIR",
      help:
        "train on your own images, PNG, JPEG, WebP or GIF files; folders in DIR are the classes",
    }),
    dataDir: text({
      placeholder: "DIR",
      help:
        "folder with the files of FashionMNIST or of another set: IDX files (MNIST, KMNIST, EMNIST), " +
        "CIFAR-10's binary batches, or a CSV file with the columns label, pixel0, ...",
    }),
    ...DATA,
  },
  "Training": TRAINING,
  "Diffusion": DIFFUSION,
  "Network": NETWORK,
  "Sampling": {
    ...SAMPLING,
    class: text({
      placeholder: "NAME",
      help:
        "generate these classes only, by name or number from 0, separated by commas; those of " +
        `FashionMNIST are ${FASHION_MNIST_CLASSES.join(", ")}`,
    }),
    saveImages: toggle({ help: "also write each image as a PNG file, and labels.csv: images/" }),
  },
  "Sampling without training": {
    sampleOnly: toggle({ help: "do not train: generate images with --checkpoint" }),
    checkpoint: text({
      placeholder: "DIR",
      help:
        "what to sample from: a run, a checkpoint, or OWNER/NAME or OWNER/NAME@REVISION on the " +
        "Hugging Face hub; checkpoints/fashion-mnist by default",
    }),
    trajectory: toggle({
      help: "show the intermediate steps of sampling: trajectory.png and trajectory.gif",
    }),
    interpolate: text({
      placeholder: "A,B",
      help:
        "interpolate from samples of class A to samples of class B, ten images a row, or twelve " +
        "with --encode; eta is 0 by default: interpolation.png",
    }),
    encode: toggle({
      help: "--interpolate: between test images, which DDIM inversion encodes as noise, without " +
        "guidance",
    }),
    inpaint: text({
      placeholder: "MASK",
      help:
        "inpaint test images. MASK is `left`, `right`, `top` or `bottom`, or a PNG file of the " +
        "images' size, white where pixels are generated and black elsewhere, or of one colour with that in " +
        "its opacity: inpainting.png",
    }),
    fromStep: integer({
      min: 0,
      help: "start from test images with the noise that is left after N of the sampling steps " +
        "(SDEdit): image_to_image.png, or inpainting.png with --inpaint",
    }),
  },
  "Evaluation": {
    evaluate: toggle({
      help: "measure FID, KID, precision, recall, class agreement and bits per dimension, after " +
        "training or of --checkpoint: evaluation.json, evaluation.csv, report.html",
    }),
    bitsPerDimension: toggle({
      help: "measure bits per dimension with --evaluate, on by default: half of its time where " +
        "there are few samples",
    }),
    evaluateSamples: integer({
      min: 20,
      max: 10000,
      help:
        "samples for --evaluate, or for each row of --study; 2048 by default, and fewer than 512 " +
        "make FID unreliable",
    }),
    evaluateSeeds: integer({
      min: 1,
      max: 100,
      help: "repeat --evaluate with this many seeds, from --seed on; 1 by default",
    }),
    study: choice(["ddim"], {
      help:
        "do not train: measure --checkpoint with DDIM at several step counts and etas, and with " +
        "DDPM, without guidance by default: ddim.csv, ddim.svg, report.html. The same command " +
        "continues an unfinished study",
    }),
    studySteps: integers({
      min: 1,
      help: "--study: the step counts; 10,20,50,100 and T by default",
    }),
  },
  "Rarely needed: training": RARE_TRAINING,
  "Rarely needed: sampling": RARE_SAMPLING,
};

export const IMAGE_EXAMPLES: readonly Example[] = [
  [
    "deno task image",
    "Train the preset nano, generate images and write runs/image-nano-0/report.html.",
  ],
  ["deno task image --preset smoke", "Try every part in seconds, on a bundled sample of the data."],
  [
    "deno task image --preset small --seed 1",
    "Train for hours. Ctrl-C saves; the same command continues.",
  ],
  [
    "deno task image --sample-only --class Sneaker --guidance 3",
    "Generate images of one class with the released weights.",
  ],
  [
    "deno task image --sample-only --checkpoint runs/image-nano-0 --evaluate",
    "Measure FID and other figures of a trained run.",
  ],
];

export type ImageFlags = Partial<FlagValues<typeof IMAGE_FLAGS>>;

/** Flags that only a training uses. */
export const TRAINING_FLAGS: readonly (keyof ImageFlags)[] = [
  "resume",
  "overwrite",
  ...Object.keys({
    ...DATA,
    ...TRAINING,
    ...RARE_TRAINING,
    ...DIFFUSION,
    ...NETWORK,
  }).filter((key) => key !== "imageSize") as (keyof ImageFlags)[], // a model may lack its size
];

type Settings = FlagValues<typeof SETTINGS>;

/** Settings that presets do not have: if given, they replace others. */
type Optional = "sampleTimesteps" | "respacing" | "startFrom" | keyof typeof DATA;

export type ImageConfig = Omit<Settings, Optional> & Partial<Pick<Settings, Optional>>;

const SETTING_NAMES = new Set(Object.values(SETTINGS).flatMap((group) => Object.keys(group)));

export function settingsOf(given: ImageFlags): Partial<ImageConfig> {
  return Object.fromEntries(Object.entries(given).filter(([key]) => SETTING_NAMES.has(key)));
}

/** Settings of sampling. */
export const SAMPLING_SETTINGS: readonly string[] = [
  ...Object.keys(SAMPLING),
  ...Object.keys(RARE_SAMPLING),
];

/** Settings that may differ when a run is resumed: its length, and how it is sampled. */
export const EXTENDABLE: readonly string[] = ["steps", ...SAMPLING_SETTINGS];
