/** The flags of image.ts: what each takes, and what `--help` says of it. Defaults are in image.ts. */
import { FASHION_MNIST_CLASSES } from "../datasets/fashion_mnist.ts";
import { varianceTypes } from "../diffusion/posterior.ts";
import { samplerNames } from "../diffusion/samplers/registry.ts";
import { betaSchedules, predictionTypes } from "../diffusion/schedules.ts";
import { timestepSpacings } from "../diffusion/timesteps.ts";
import { DEVICE_CHOICES } from "../engine/device_names.ts";
import { LEARNING_RATE_SCHEDULES } from "../nn/learning_rate.ts";
import { choice, type FlagValues, integer, integers, number, text, toggle } from "./flag_kinds.ts";

/** The flags, by the headings of `--help`. */
export const IMAGE_FLAGS = {
  "Run": {
    preset: choice(["smoke", "nano", "small", "paper"], {
      help: "which defaults; nano if not given",
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
    timesteps: integer({ min: 2, max: 100000, help: "T, steps of the noise schedule" }),
    betaSchedule: choice(betaSchedules, { help: "the noise schedule" }),
    predictionType: choice(predictionTypes, { help: "what the network predicts" }),
    minSnrGamma: number({ min: 0, help: "min-SNR loss weights' gamma; 0 for none" }),
  },
  "Network": {
    channels: integers({ min: 1, help: "the UNet's channels at each resolution" }),
    layersPerBlock: integer({ min: 1, max: 16, help: "residual blocks at each resolution" }),
    attentionLevels: integers({ min: 0, help: "resolutions with attention, 0 the finest" }),
    attentionHeadDim: integer({ min: 1, help: "features of an attention head" }),
    normNumGroups: integer({
      min: 1,
      help: "groups of the normalizations; they divide the channels",
    }),
  },
  "Sampling": {
    sampler: choice(samplerNames, { help: "how samples are drawn" }),
    sampleSteps: integer({ min: 1, help: "denoising steps; at most T" }),
    eta: number({ min: 0, max: 1, help: "ddim: 0 adds no noise, 1 as much as ddpm" }),
    timestepSpacing: choice(timestepSpacings, { help: "which of the T steps are taken" }),
    varianceType: choice(varianceTypes, { help: "ddpm: how much noise a step adds" }),
    guidance: number({ min: 0, max: 100, help: "classifier-free guidance; 1 for none" }),
    samples: integer({ min: 1, max: 100000, help: "images to draw, the classes in turn" }),
    class: text({ placeholder: "NAME", help: `only one of ${FASHION_MNIST_CLASSES.join(", ")}` }),
    checkpoint: text({
      placeholder: "DIR",
      help: "sample from this checkpoint or run; checkpoints/fashion-mnist if not given",
    }),
    sampleOnly: toggle({ help: "do not train: draw samples from --checkpoint" }),
  },
};

/** Flags that were given on the command line. */
export type ImageFlags = Partial<FlagValues<typeof IMAGE_FLAGS>>;

/** Everything that decides what a run computes: the other flags say where, not what. */
export type ImageConfig = Omit<
  FlagValues<typeof IMAGE_FLAGS>,
  | ("preset" | "out" | "device" | "threads" | "dataDir" | "resume" | "overwrite")
  | ("class" | "checkpoint" | "sampleOnly")
>;
