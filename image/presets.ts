/** The presets of image.ts: every setting, with the reason for its value. */
import type { ImageConfig } from "./flags.ts";

export const NANO: ImageConfig = {
  seed: 0,
  // Training
  steps: 900, // about one epoch: garments are recognizable after minutes on two cores
  batchSize: 64, // smaller batches are no faster per image; larger ones learn less per hour
  learningRate: 2e-3, // high, because the run is short; clipping and warm-up keep it stable
  lrSchedule: "constant", // so that a longer run has the same first steps
  warmupSteps: 100, // Adam's variance estimates are unreliable in the first steps
  weightDecay: 0.01, // PyTorch's default for AdamW
  maxGradNorm: 1, // as Ho et al. 2020
  emaDecay: 0.999, // an upper bound: the decay grows towards it, see nn/ema.ts
  classDropout: 0.1, // Ho and Salimans 2022: 0.1 to 0.2
  logEvery: 20,
  evalEvery: 100,
  checkpointEvery: 300,
  validationSize: 512,
  // Diffusion
  objective: "diffusion",
  flowTimes: "logit_normal", // Esser et al. 2024: intermediate times are the hardest
  timesteps: 1000, // Ho et al. 2020
  betaSchedule: "squaredcos_cap_v2", // linear destroys small images too early (Nichol, Dhariwal 2021)
  predictionType: "v_prediction", // accurate at all noise levels, and stable with few sampling steps
  zeroTerminalSnr: false, // the cosine schedule ends at a signal of 1e-9 of the variance
  loss: "mse", // as in the variational bound
  huberDelta: 1, // errors above one standard deviation of the noise are outliers
  minSnrGamma: 0, // with v_prediction, 5 gives 11 % more loss at the noisiest steps, and wrong classes
  p2Gamma: 0, // Choi et al. 2022 use 1, for large images
  p2K: 1, // as Choi et al. 2022
  timestepSampling: "uniform",
  learnedVariance: false, // improves the likelihood, but not samples of few steps
  boundWeight: 0.001, // lambda of Nichol and Dhariwal 2021
  selfConditioning: false, // takes 1.5 times as long
  // Network
  denoiser: "unet",
  patchSize: 4, // 49 tokens; 2 is better, but takes five times as long
  depth: 6,
  width: 128,
  heads: 4,
  channels: [32, 32, 64], // at 28, 14 and 7 pixels; [16, 32, 64] has a higher loss after the same time
  layersPerBlock: 1,
  attentionLevels: [2], // 49 tokens at 7x7: cheap, and garments are symmetric
  attentionHeadDim: 32,
  normNumGroups: 8,
  // Sampling
  sampler: "ddim",
  sampleSteps: 100, // as in the literature; fewer are enough with --eta 0
  timestepSpacing: "trailing", // starts at the last timestep of training, pure noise
  sigmaSpacing: "timesteps", // the noise levels of training; karras is for very few steps
  solverOrder: 2, // stable with guidance, unlike 3 (Lu et al. 2022)
  eta: 1, // noise corrects errors of a short training, which eta 0 shows
  varianceType: "fixed_large", // for ddpm only
  flowShift: 1, // for flow_euler only; above 1 is for large images
  guidance: 1.5, // the right class more often than with 1, with variety
  guidanceRescale: 0, // 0.7 is usual with strong guidance
  guidanceLow: 0, // no limits
  guidanceHigh: 0,
  dynamicThreshold: 0, // clipping is enough with weak guidance
  samples: 80, // eight per class
};

export const PRESETS: Record<"smoke" | "nano" | "small" | "paper", ImageConfig> = {
  // Seconds: runs every part, learns almost nothing. Used by tests.
  smoke: {
    ...NANO,
    steps: 30,
    batchSize: 16,
    logEvery: 5,
    evalEvery: 10,
    checkpointEvery: 10,
    validationSize: 64,
    channels: [16, 32],
    attentionLevels: [1],
    attentionHeadDim: 16,
    depth: 2,
    width: 32,
    heads: 2,
    timesteps: 100,
    sampleSteps: 10,
    eta: 0,
    samples: 20,
  },
  nano: NANO,
  // Hours on two cores: as the released checkpoint.
  small: {
    ...NANO,
    steps: 40_000,
    batchSize: 128,
    learningRate: 1e-3,
    warmupSteps: 500,
    emaDecay: 0.9995,
    logEvery: 50,
    evalEvery: 500,
    checkpointEvery: 500,
    validationSize: 2000,
    channels: [32, 64, 128],
    layersPerBlock: 2,
    attentionLevels: [1, 2],
    patchSize: 2,
    width: 192,
    heads: 6,
  },
  // Days on two cores: the network of Ho et al. 2020, scaled to 28x28 images.
  paper: {
    ...NANO,
    steps: 200_000,
    batchSize: 128,
    learningRate: 2e-4,
    warmupSteps: 5000,
    emaDecay: 0.9999,
    logEvery: 50,
    evalEvery: 1000,
    checkpointEvery: 1000,
    validationSize: 5000,
    betaSchedule: "linear",
    predictionType: "epsilon",
    minSnrGamma: 0,
    channels: [64, 128, 128],
    layersPerBlock: 2,
    attentionLevels: [1],
    sampler: "ddpm",
    sampleSteps: 1000,
    guidance: 1,
  },
};

/** How checkpoints/fashion-mnist is sampled by default, and was for its published figures. */
export const RELEASED_SAMPLING = {
  sampleSteps: 20, // seconds for a grid
  eta: 0, // FID 1.03, with eta 1 1.39 (50 steps, 1,024 samples, no guidance)
  guidance: 1.25, // class agreement 91.4 %, with 1 89.5 % (256 samples); the same FID
};
