/** The default settings of text.ts by preset, each with its reason. */
import { digitsOf } from "./config.ts";
import { DATASET_DEFAULTS } from "./dataset_defaults.ts";
import {
  type DenoiserConfig,
  type EvaluationConfig,
  type MaskedConfig,
  type SamplingConfig,
  type TextConfig,
  type TextSettings,
  withChanges,
} from "./settings.ts";

/** Trained from random weights, an hour on two cores. checkpoints/text-vae was trained with these. */
const SMALL: TextConfig = {
  dataset: "hotel_reviews",
  digits: "2x2", // of multiplication
  trainSize: "l", // of WinoGrande, 10,234 problems: xl takes four times as long
  seed: 0,
  // Training
  steps: 2000, // seven epochs; copying is learned in the first 400 steps
  batchSize: 16, // a thousand tokens: more steps learn copying sooner than larger batches
  accumulate: 1, // a batch fits into memory
  freeze: "none",
  optimizer: "adamw",
  learningRate: 2e-3, // small models tolerate more than PLANNER's 5e-4
  lrSchedule: "cosine", // the last tenth of the quality comes at low rates
  warmupSteps: 100, // until then, Adam's variances are unreliable
  weightDecay: 0.01, // PyTorch's default for AdamW
  maxGradNorm: 1, // as PLANNER
  adamBeta2: 0.99, // gradients change quickly while copying is learned
  emaDecay: 0.999, // an upper bound: it starts low and grows, see nn/ema.ts
  logEvery: 20,
  evalEvery: 100,
  checkpointEvery: 100,
  validationSize: 200, // more texts do not make the mean more precise
  // Texts
  maxTokens: 64,
  windows: true, // reviews are longer: eight times the text to learn from
  vocabSize: 4000, // half of the parameters are the two embedding tables
  splitDigits: false,
  copySteps: 400, // by then, 99 % of the tokens are copied
  randomTexts: 0.1, // random tokens cannot be guessed: they have to be read from the latents
  corruption: "substitute", // PLANNER's
  corruptionRatio: 0.3, // at most; with 0.5, the model replaces correct tokens too
  corruptionPerText: "uniform", // some texts stay clean
  decoderCorruption: 0.2, // otherwise it learns to guess and ignores the latents
  // Network
  latents: 16, // PLANNER's
  latentWidth: 128, // 32 numbers per token: with 16, copying takes several times as long
  latentKind: "noise", // no KL divergence: it costs reconstruction before there is any
  latentSource: "stretches", // positions are given; learned queries have to find them
  beta: 0,
  freeBits: 0,
  noiseDeviation: 0.4, // noise that diffusion leaves in latents must not change the text
  noisePerText: "fixed", // this decoder is for copying
  encoderLayers: 2,
  encoderWidth: 192,
  encoderHeads: 6,
  decoderLayers: 2,
  decoderWidth: 192,
  decoderHeads: 6,
  initializerRange: 0.05, // tokens become distinct sooner than with BERT's 0.02
  initialization: "aligned",
};

const DENOISER: DenoiserConfig = {
  condition: "rating",
  conditionReader: "vae_trained", // it knows the words already
  conditionTokens: 62, // what the autoencoder reads
  conditionDropout: 0.1, // PLANNER's
  thoughtPasses: "single",
  maxThoughts: 8, // 99 % of GSM8K's problems have no more
  randomCut: true, // as in Diffusion of Thought
  scheduledSampling: 0,
  coupledSampling: 0,
  objective: "diffusion",
  prediction: "sample", // PLANNER's; self-conditioning and thresholds need clean samples
  timesteps: 1000,
  noiseSchedule: "cosine", // PLANNER's
  noiseShift: 0,
  tanD: 9, // TEncDM's
  minSnrGamma: 0, // it would give next to no weight to high noise, which decides the text
  p2Gamma: 0,
  p2K: 1,
  timestepSampling: "low_discrepancy", // batch losses vary least
  selfConditioning: 0.5, // without it, LD4LG's texts are much worse
  layers: 6,
  width: 256,
  heads: 8,
  steps: 20_000,
  batchSize: 64,
  learningRate: 5e-4, // small models tolerate more than PLANNER's 1e-4
  lrSchedule: "cosine",
  warmupSteps: 200,
  weightDecay: 0.01,
  maxGradNorm: 1,
  emaDecay: 0.999,
  logEvery: 50,
  evalEvery: 500,
  checkpointEvery: 500,
  validationSize: 256,
};

const SAMPLING: SamplingConfig = {
  sampler: "ddim",
  sampleSteps: 50,
  guidance: 2, // LD4LG's
  eta: 0,
  dynamicThreshold: 0,
  temperature: 1,
  finalSigma: 0,
  decodingTemperature: 0,
  samples: 50,
  votes: 1,
  sampleBatchSize: 25,
  trajectory: false,
};

const EVALUATION: EvaluationConfig = {
  baseline: "none", // it doubles the time
  judgeSteps: 800, // with more, it memorises 1,800 reviews and gives others a high perplexity
};

const MASKED: MaskedConfig = {
  diffusion: "latent",
  givens: "30-40",
  level: "any",
  timeWeight: "uniform", // each masked token counts the same
  unmaskingOrder: "confidence",
};

const SMALL_SETTINGS: TextSettings = {
  autoencoder: SMALL,
  denoiser: DENOISER,
  sampling: SAMPLING,
  evaluation: EVALUATION,
  masked: MASKED,
};

export type TextPreset = "smoke" | "nano" | "small" | "base";

export const PRESETS: Readonly<Record<TextPreset, TextSettings>> = {
  // Seconds, for tests: every part runs, nothing is learned well.
  smoke: withChanges(SMALL_SETTINGS, {
    autoencoder: {
      steps: 30,
      batchSize: 8,
      warmupSteps: 10,
      logEvery: 5,
      evalEvery: 10,
      checkpointEvery: 10,
      validationSize: 16,
      copySteps: 10,
      maxTokens: 16,
      vocabSize: 400,
      latents: 8,
      latentWidth: 16,
      encoderLayers: 1,
      encoderWidth: 32,
      encoderHeads: 2,
      decoderLayers: 1,
      decoderWidth: 32,
      decoderHeads: 2,
    },
    denoiser: {
      layers: 1,
      width: 32,
      heads: 2,
      steps: 20,
      batchSize: 8,
      warmupSteps: 5,
      logEvery: 5,
      evalEvery: 10,
      checkpointEvery: 10,
      validationSize: 16,
    },
    sampling: { sampleSteps: 5, samples: 5 },
    evaluation: { judgeSteps: 20 },
  }),
  // Half an hour on a laptop. Reviews have further defaults in dataset_defaults.ts.
  nano: withChanges(SMALL_SETTINGS, {
    autoencoder: {
      startFrom: "checkpoints/text-vae",
      steps: 500,
      copySteps: 0, // it copies already
      learningRate: 3e-4, // a higher rate would undo what the starting model has learned
      corruption: "none", // with substitution, clean texts are reconstructed a little worse
    },
    denoiser: { layers: 4, width: 192, heads: 6, steps: 1500, batchSize: 32, warmupSteps: 100 },
  }),
  small: SMALL_SETTINGS,
  // Published BERT-base and GPT-2, each with its own tokenizer; days on two cores.
  base: withChanges(SMALL_SETTINGS, {
    autoencoder: {
      encoderFrom: "google-bert/bert-base-uncased",
      decoderFrom: "openai-community/gpt2",
      batchSize: 8, // memory
      learningRate: 5e-5,
      emaDecay: 0, // memory: the state of 234 million parameters is 3.7 GB without an average
      copySteps: 0, // random tokens of one tokenizer mean nothing to the other
      randomTexts: 0,
      vocabSize: 30_000, // where only one half is published
      latentWidth: 768,
      latentSource: "first", // PLANNER's
      encoderLayers: 12,
      encoderWidth: 768,
      encoderHeads: 12,
      decoderLayers: 12,
      decoderWidth: 768,
      decoderHeads: 12,
      initializerRange: 0.02,
      initialization: "random", // published attention is not replaced
    },
    denoiser: { layers: 12, width: 768, heads: 12 },
  }),
};

/** The settings of nano where its starting model cannot be used. */
export const FROM_SCRATCH: Partial<TextConfig> = {
  copySteps: 300,
  learningRate: SMALL.learningRate,
  freeze: "none",
};

/** The defaults of a preset, with those of a data set in their place. */
export function defaultsOf(
  preset: TextPreset,
  { dataset, digits }: Pick<TextConfig, "dataset" | "digits">,
): TextSettings {
  return withChanges(PRESETS[preset], DATASET_DEFAULTS[dataset](digitsOf(digits), preset));
}
