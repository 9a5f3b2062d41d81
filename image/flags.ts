/** The flags of image.ts: what each takes, and what `--help` says of it. Defaults are in image.ts. */
import { FASHION_MNIST_CLASSES } from "../datasets/fashion_mnist.ts";
import { lossTypes } from "../diffusion/loss.ts";
import { varianceTypes } from "../diffusion/posterior.ts";
import { flowTimeDensities } from "../diffusion/flow_matching.ts";
import { flowSamplerNames, samplerNames } from "../diffusion/samplers/registry.ts";
import { betaSchedules, predictionTypes } from "../diffusion/schedules.ts";
import { timestepDraws } from "../diffusion/timestep_sampling.ts";
import { timestepSpacings } from "../diffusion/timesteps.ts";
import { DEVICE_CHOICES } from "../engine/device_names.ts";
import { LEARNING_RATE_SCHEDULES } from "../nn/learning_rate.ts";
import {
  choice,
  type FlagValues,
  integer,
  integers,
  number,
  text,
  toggle,
} from "../cli/flag_kinds.ts";

/** How samplers other than ddpm and ddim space their noise levels. */
const SIGMA_SPACINGS = ["timesteps", "karras", "exponential"] as const;

/** What is trained: a denoiser by a noise schedule, or a flow along straight lines. */
const OBJECTIVES = ["diffusion", "flow_matching"] as const;

/** Networks. */
const DENOISERS = ["unet", "dit"] as const;

/** Ways of drawing the time steps of a batch, "loss_aware" with a memory of losses. */
const TIMESTEP_SAMPLINGS = [...timestepDraws, "loss_aware"] as const;

/** The flags, by the headings of `--help`. */
export const IMAGE_FLAGS = {
  "Run": {
    preset: choice(["smoke", "nano", "small", "paper"], {
      help: "which defaults; nano if not given",
    }),
    config: text({
      placeholder: "FILE",
      help: "repeat the run of this config.json: its settings, device and threads, on its data",
    }),
    out: text({
      placeholder: "DIR",
      help: "the run's folder; runs/image-PRESET-SEED if not given",
    }),
    seed: integer({ min: 0, help: "of weights, data order, noise and samples" }),
    device: choice(DEVICE_CHOICES, {
      help: "where to compute; onnx if not given; see deno task devices",
    }),
    threads: integer({ min: 1, max: 1024, help: "threads of the device; all cores if not given" }),
    dataDir: text({ placeholder: "DIR", help: "a folder with FashionMNIST's files" }),
    resume: toggle({ help: "go on with the run that is there; --steps and sampling may differ" }),
    overwrite: toggle({ help: "remove the run that is there first" }),
  },
  "Training": {
    steps: integer({ min: 1, help: "optimizer steps in all" }),
    batchSize: integer({ min: 1, max: 65536, help: "images a step; multiples of 16 are fastest" }),
    learningRate: number({ above: 0, max: 1, help: "AdamW's, after the warm-up" }),
    lrSchedule: choice(LEARNING_RATE_SCHEDULES, { help: "the learning rate after the warm-up" }),
    warmupSteps: integer({ min: 0, help: "steps over which the learning rate rises" }),
    weightDecay: number({ min: 0, max: 1, help: "decoupled weight decay" }),
    maxGradNorm: number({ above: 0, help: "gradients are clipped to this global norm" }),
    emaDecay: number({ min: 0, max: 1, help: "of the moving average that samples are drawn with" }),
    startFrom: text({
      placeholder: "DIR",
      help:
        "begin with the weights of this checkpoint or run, of the same network; random ones if " +
        "not given",
    }),
    classDropout: number({ min: 0, max: 1, help: "share of labels dropped, for guidance" }),
    logEvery: integer({ min: 1, help: "steps between rows of metrics.csv" }),
    evalEvery: integer({
      min: 1,
      help: "steps between validation losses; a multiple of --log-every",
    }),
    checkpointEvery: integer({ min: 1, help: "steps between checkpoints" }),
    validationSize: integer({
      min: 1,
      max: 10000,
      help: "held-out images for the validation loss",
    }),
  },
  "Diffusion": {
    objective: choice(OBJECTIVES, {
      help:
        "what is trained: a denoiser by a noise schedule, or the velocity along straight lines " +
        "from noise to images (rectified flow), which --sampler flow_euler follows",
    }),
    flowTimes: choice(flowTimeDensities, {
      help: "--objective flow_matching: how often which times are drawn",
    }),
    timesteps: integer({ min: 2, max: 100000, help: "T, steps of the noise schedule" }),
    betaSchedule: choice(betaSchedules, { help: "the noise schedule" }),
    predictionType: choice(predictionTypes, { help: "what the network predicts" }),
    zeroTerminalSnr: toggle({ help: "rescale the schedule so that it ends in pure noise" }),
    loss: choice(lossTypes, { help: "distance between what is predicted and what should be" }),
    huberDelta: number({ above: 0, help: "--loss huber: where squares turn into straight lines" }),
    minSnrGamma: number({ min: 0, help: "min-SNR loss weights' gamma; 0 for none" }),
    p2Gamma: number({ min: 0, max: 10, help: "P2 loss weights' gamma; 0 for none" }),
    p2K: number({ above: 0, help: "P2 loss weights' k, which bounds them where little signal is" }),
    timestepSampling: choice(TIMESTEP_SAMPLINGS, {
      help:
        "how a batch's time steps are drawn: each by itself, in mirrored pairs, spread evenly, " +
        "or more often where losses were large, and weighed less there",
    }),
    learnedVariance: toggle({
      help: "learn the variances of ddpm's steps too, by the hybrid loss",
    }),
    boundWeight: number({
      min: 0,
      max: 1,
      help: "--learned-variance: the weight of the variational bound in the loss",
    }),
    selfConditioning: toggle({
      help: "show the network its last estimate of the image; half of the training's steps take " +
        "a second pass",
    }),
  },
  "Network": {
    denoiser: choice(DENOISERS, { help: "a UNet, or a diffusion transformer on patches" }),
    patchSize: integer({ min: 1, max: 28, help: "dit: the side of a patch; it divides 28" }),
    depth: integer({ min: 1, max: 64, help: "dit: blocks" }),
    width: integer({ min: 4, help: "dit: features of a patch, a multiple of 4 and of --heads" }),
    heads: integer({ min: 1, help: "dit: heads of attention" }),
    channels: integers({ min: 1, help: "unet: channels at each resolution" }),
    layersPerBlock: integer({ min: 1, max: 16, help: "unet: residual blocks at each resolution" }),
    attentionLevels: integers({ min: 0, help: "unet: resolutions with attention, 0 the finest" }),
    attentionHeadDim: integer({ min: 1, help: "unet: features of an attention head" }),
    normNumGroups: integer({
      min: 1,
      help: "unet: groups of the normalizations; they divide the channels",
    }),
  },
  "Sampling": {
    sampler: choice([...samplerNames, ...flowSamplerNames], {
      help: "how samples are drawn; of --objective flow_matching by flow_euler alone",
    }),
    sampleSteps: integer({ min: 1, help: "denoising steps; at most T" }),
    timestepSpacing: choice(timestepSpacings, { help: "which of the T steps are taken" }),
    sampleTimesteps: integers({
      min: 0,
      help: "the steps themselves, falling and below T, in place of the two settings above",
    }),
    respacing: text({
      placeholder: "HOW",
      help: "the steps as ddimN, N equally far apart; quadN, denser where little noise is; or " +
        "10,15,20, so many of each third from clean to noisy; none if not given",
    }),
    sigmaSpacing: choice(SIGMA_SPACINGS, {
      help: "noise levels of all but ddpm and ddim: those of the timesteps, or spaced anew",
    }),
    solverOrder: integer({ min: 1, max: 3, help: "dpmpp_*, unipc: the order of the solver" }),
    eta: number({ min: 0, max: 1, help: "ddim: 0 adds no noise, 1 as much as ddpm" }),
    varianceType: choice(varianceTypes, {
      help: "ddpm: how much noise a step adds; learned_range with --learned-variance",
    }),
    flowShift: number({ above: 0, help: "flow_euler: above 1, more of the steps are noisy ones" }),
    guidance: number({ min: 0, max: 100, help: "classifier-free guidance; 1 for none" }),
    guidanceRescale: number({
      min: 0,
      max: 1,
      help: "how much of the contrast that guidance adds is taken back",
    }),
    guidanceLow: number({
      min: 0,
      help: "guide above this noise level alone, sigma as in Karras et al. 2022; 0 for no bound",
    }),
    guidanceHigh: number({ min: 0, help: "guide up to this noise level alone; 0 for no bound" }),
    dynamicThreshold: number({
      min: 0,
      max: 1,
      help: "scale x0 down by this quantile of its magnitudes where it is above 1, in place of " +
        "clipping; 0 for none, 0.995 is usual",
    }),
    samples: integer({ min: 1, max: 100000, help: "images to draw, the classes in turn" }),
    class: text({ placeholder: "NAME", help: `only one of ${FASHION_MNIST_CLASSES.join(", ")}` }),
  },
  "Evaluation": {
    evaluate: toggle({
      help:
        "measure FID, KID, class agreement, precision, recall and bits per dimension, after the " +
        "training or of --checkpoint: evaluation.json, evaluation.csv, report.html",
    }),
    evaluateSamples: integer({
      min: 20,
      max: 10000,
      help:
        "samples that are measured, by --study in each row; 2048 if not given, fewer than the 512 " +
        "features say little",
    }),
    evaluateSeeds: integer({
      min: 1,
      max: 100,
      help: "seeds that as many samples are drawn with, from --seed on; 1 if not given",
    }),
    study: choice(["ddim"], {
      help:
        "do not train: measure --checkpoint with ddim of several steps and etas and with ddpm, " +
        "without --guidance unless given: ddim.csv, ddim.svg, report.html; goes on where it was",
    }),
    studySteps: integers({
      min: 1,
      help: "--study: numbers of steps; 10,20,50,100 and T if not given",
    }),
  },
  "Without training": {
    sampleOnly: toggle({ help: "do not train: draw samples from --checkpoint, or as below" }),
    checkpoint: text({
      placeholder: "DIR",
      help: "sample from this checkpoint or run; checkpoints/fashion-mnist if not given",
    }),
    interpolate: text({
      placeholder: "A,B",
      help: "go from samples of class A to samples of class B, which may be the same: " +
        "interpolation.png, ten images a row; eta is 0 if not given",
    }),
    encode: toggle({
      help: "--interpolate: from and to test images, which ddim encodes as noise; no guidance",
    }),
    inpaint: text({
      placeholder: "MASK",
      help: "draw a part of test images anew: half for their right half, or a PNG file of 28x28 " +
        "pixels that is white there and black elsewhere: inpainting.png",
    }),
    fromStep: integer({
      min: 0,
      help: "start from test images, noised as they are after so many of --sample-steps, rather " +
        "than from noise; image_to_image.png without --inpaint",
    }),
    trajectory: toggle({ help: "show how samples emerge from noise: trajectory.png and .gif" }),
  },
};

/** Flags that were given on the command line. */
export type ImageFlags = Partial<FlagValues<typeof IMAGE_FLAGS>>;

/** Flags that say where to compute, or what to do besides training: no settings of a run. */
const NOT_SETTINGS = [
  ...[
    "preset",
    "config",
    "out",
    "device",
    "threads",
    "dataDir",
    "resume",
    "overwrite",
    "class",
  ] as const,
  ...["sampleOnly", "checkpoint", "interpolate", "encode", "inpaint", "fromStep"] as const,
  ...["evaluate", "evaluateSamples", "evaluateSeeds", "study", "studySteps"] as const,
  "trajectory",
] as const;

type Settings = Omit<FlagValues<typeof IMAGE_FLAGS>, typeof NOT_SETTINGS[number]>;

/** Settings that no preset has: where they are given, they take the place of others. */
type Optional = "sampleTimesteps" | "respacing" | "startFrom";

/** Everything that decides what a run computes: the other flags say where, not what. */
export type ImageConfig = Omit<Settings, Optional> & Partial<Pick<Settings, Optional>>;

/** The settings among the flags that were given. */
export function settingsOf(given: ImageFlags): Partial<ImageConfig> {
  const aside: readonly string[] = NOT_SETTINGS;
  return Object.fromEntries(Object.entries(given).filter(([key]) => !aside.includes(key)));
}

/** Settings that may differ when a run is resumed: how long it is, and how it is sampled. */
export const EXTENDABLE: readonly string[] = ["steps", ...Object.keys(IMAGE_FLAGS["Sampling"])];
