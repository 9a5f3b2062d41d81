/** The presets of image.ts: every setting with the reason for its value. */
import type { ImageConfig } from "./flags.ts";

/** The default: one epoch, a few minutes on two cores. */
export const NANO: ImageConfig = {
  seed: 0,
  // Training
  steps: 900, // about one epoch: garments are clear, and two cores need minutes
  batchSize: 64, // fewer, noisier steps would be as fast; more, smoother ones learn less an hour
  learningRate: 2e-3, // high, because the run is short; clipping and warm-up keep it stable
  lrSchedule: "constant", // so that a run can be prolonged as if it had been longer from the start
  warmupSteps: 100, // Adam's variances are guesses until then
  weightDecay: 0.01, // PyTorch's default for AdamW
  maxGradNorm: 1, // as Ho et al. 2020
  emaDecay: 0.999, // an upper bound: it starts low and grows, see nn/ema.ts
  classDropout: 0.1, // Ho and Salimans 2022: 10 to 20 % is enough for guidance
  logEvery: 20,
  evalEvery: 100,
  checkpointEvery: 300,
  validationSize: 512,
  // Diffusion
  objective: "diffusion",
  flowTimes: "logit_normal", // Esser et al. 2024: the middle is the hardest
  timesteps: 1000, // Ho et al. 2020
  betaSchedule: "squaredcos_cap_v2", // linear destroys small images too early (Nichol, Dhariwal 2021)
  predictionType: "v_prediction", // as good early and late, and stable at few sampling steps
  zeroTerminalSnr: false, // the cosine schedule's last signal is 1e-9 of the variance anyway
  loss: "mse", // the variational bound's
  huberDelta: 1, // errors beyond a deviation of the noise count as outliers
  minSnrGamma: 0, // with v, gamma 5 neglects the noisiest steps: 11 % more loss there, wrong classes
  p2Gamma: 0, // Choi et al. 2022 have 1, for large images
  p2K: 1, // as they
  timestepSampling: "uniform",
  learnedVariance: false, // for better likelihoods; samples of few steps gain nothing
  boundWeight: 0.001, // Nichol and Dhariwal 2021's lambda
  selfConditioning: false, // half as slow again
  // Network
  denoiser: "unet",
  patchSize: 4, // 49 tokens; 2 is better and takes five times as long
  depth: 6,
  width: 128,
  heads: 4,
  channels: [32, 32, 64], // at 28, 14 and 7 pixels; in the same time, [16, 32, 64] has a higher loss
  layersPerBlock: 1,
  attentionLevels: [2], // 49 tokens at 7x7: cheap, and garments are symmetric
  attentionHeadDim: 32,
  normNumGroups: 8,
  // Sampling
  sampler: "ddim",
  sampleSteps: 100, // as the literature; fewer are enough with --eta 0
  timestepSpacing: "trailing", // starts at T, where the training's last noise level is
  sigmaSpacing: "timesteps", // as trained on; karras is for very few steps
  solverOrder: 2, // stable with guidance, where 3 is not (Lu et al. 2022)
  eta: 1, // adds noise, which corrects the mistakes of a short training; 0 shows them
  varianceType: "fixed_large", // used by ddpm only
  flowShift: 1, // used by flow_euler only; above 1 is for large images
  guidance: 1.5, // the asked-for class more often than 1, still varied
  guidanceRescale: 0, // for strong guidance; 0.7 is usual then
  guidanceLow: 0, // no bounds
  guidanceHigh: 0,
  dynamicThreshold: 0, // clipping does for weak guidance
  samples: 80, // eight of each class
};

/** The presets of `--preset`. */
export const PRESETS: Record<"smoke" | "nano" | "small" | "paper", ImageConfig> = {
  // Seconds: every part runs, nothing is learned well. What tests use.
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
  // Hours on two cores: what a released checkpoint is trained with.
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
  // The network of Ho et al. 2020 in proportion to the images; days on two cores.
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

/** The default sampling of checkpoints/fashion-mnist: that of its published figures. */
export const RELEASED_SAMPLING = {
  sampleSteps: 20, // seconds for a grid
  eta: 0, // FID 1.03, and 1.39 with 1, at 50 steps and 1,024 samples without guidance
  guidance: 1.25, // the asked-for class more often than 1 (91.4 and 89.5 % of 256), FID the same
};
