/** Defaults of text.ts that depend on the data set, in addition to those of the preset. */
import { multiplicationPasses } from "../datasets/multiplication.ts";
import type { SomeSettings, TextConfig } from "./settings.ts";

/** Hotel reviews, with an autoencoder that already copies its input. */
const REVIEWS: SomeSettings = {
  // Latents that allow exact copies have more detail than a small denoiser can model. So the denoiser
  // generates the content only, and the decoder is trained to find the words from noisy latents.
  autoencoder: {
    steps: 2000, // fourteen epochs with this batch size
    batchSize: 32,
    learningRate: 1e-3,
    freeze: "latents", // only the decoder is trained: the latents are good already
    randomTexts: 0, // the decoder should rely on its own words
    decoderCorruption: 0,
    noiseDeviation: 2.5, // up to 3.6 times the standard deviation of the latents
    noisePerText: "uniform",
  },
  denoiser: {
    steps: 6000,
    learningRate: 1e-3,
    noiseShift: -3, // two thirds of the timesteps have more noise than finalSigma
  },
  sampling: {
    finalSigma: 2.5, // with less noise, the words of a text do not fit together
    guidance: 25, // with less, the requested rating is recognized less often than in real reviews
    decodingTemperature: 0.3, // the most likely words alone end too soon
  },
};

/** Winograd schemas, with any preset. */
const SCHEMAS: SomeSettings = {
  autoencoder: { windows: false, maxTokens: 32, latents: 16 },
  denoiser: {
    condition: "sentence",
    conditionReader: "new", // sentences are longer than the clauses that the autoencoder reads
    conditionDropout: 0, // no guidance: an answer is right or wrong
    conditionTokens: 126,
  },
  sampling: {
    guidance: 1,
    samples: 2000, // all of WinoGrande's dev set, and of WSC273
    sampleSteps: 20,
    sampleBatchSize: 100,
  },
};

/** Problems that are answered with thoughts. */
const THOUGHTS = {
  autoencoder: {
    windows: false,
    corruption: "none", // a changed digit makes another number
  },
  denoiser: {
    condition: "question",
    conditionReader: "new", // questions are longer than thoughts
    conditionDropout: 0, // no guidance: an answer is right or wrong
    scheduledSampling: 0.05, // as Diffusion of Thought
  },
  sampling: { guidance: 1, samples: 200, sampleSteps: 10, sampleBatchSize: 100 },
} as const satisfies SomeSettings;

/**
 * Training of multiplication, except for the preset smoke. Denoisers memorize the training problems before
 * they generalize; with these settings they solve held-out problems of 2x2 digits.
 */
const MULTIPLICATION_TRAINING: SomeSettings["denoiser"] = {
  layers: 4,
  width: 128, // small, so that many steps are affordable
  heads: 4,
  steps: 8000, // the loss falls to 0 in steps 2,000 to 4,000, but carries take longer
  batchSize: 64,
  learningRate: 3e-3, // 1e-3 takes twice as many steps
  weightDecay: 0.1, // against memorization
};

/** Training from random weights on texts and problems of one's own, with the preset nano. */
const OWN_TRAINING: SomeSettings = {
  autoencoder: { steps: 1500, copySteps: 300, corruption: "none" },
  denoiser: { steps: 3000, learningRate: 1e-3 },
};

function multiplication(n: number, m: number, preset: string): SomeSettings {
  const length = n + m + 1; // tokens of a question, of a sum in brackets, of an answer with its mark
  const passes = multiplicationPasses(m);
  return {
    autoencoder: {
      ...THOUGHTS.autoencoder,
      maxTokens: length,
      latents: length, // one per digit
      latentWidth: 64,
      vocabSize: 300, // digits are separated by spaces, so each is a token
    },
    denoiser: {
      ...THOUGHTS.denoiser,
      ...preset === "smoke" ? {} : MULTIPLICATION_TRAINING,
      thoughtPasses: "multi", // in a single pass, a sum has to be predicted before its terms are known
      selfConditioning: 0, // there is one right answer, which a single estimate finds
      scheduledSampling: 0,
      noiseShift: -6, // digits are recognizable at high noise; with less there is nothing to calculate
      conditionReader: "latents", // a new BERT learns three times slower
      conditionTokens: passes * length,
      maxThoughts: passes,
    },
    sampling: {
      ...THOUGHTS.sampling,
      samples: 1000, // all held-out problems
      sampleBatchSize: 200,
    },
  };
}

/** Masked diffusion of boards or problems. @param sampleSteps At most. */
export function maskedDefaults(preset: string, sampleSteps = 20): SomeSettings {
  const sampling = { sampleSteps, sampleBatchSize: 100 };
  return {
    masked: { diffusion: "masked" },
    ...preset === "smoke" ? { sampling } : {
      denoiser: {
        layers: 6,
        width: 128,
        heads: 4,
        steps: 12_000,
        batchSize: 32, // more steps learn the rules sooner than larger batches
        learningRate: 1e-3,
        weightDecay: 0.01,
        warmupSteps: 200,
      },
      sampling: { ...sampling, samples: 500 },
    },
  };
}

/** Countdown, by latent diffusion. */
const COUNTDOWN: SomeSettings = {
  autoencoder: {
    ...THOUGHTS.autoencoder,
    numbers: 4,
    maxTokens: 24, // the last equation with the target
    latents: 12,
    vocabSize: 300,
    splitDigits: true,
  },
  denoiser: { ...THOUGHTS.denoiser, maxThoughts: 4, conditionTokens: 80 },
  sampling: THOUGHTS.sampling,
};

/** The defaults of each data set, given the preset and, for multiplication, the digits of the numbers. */
export const DATASET_DEFAULTS: Record<
  TextConfig["dataset"],
  (digits: readonly [number, number], preset: string) => SomeSettings
> = {
  hotel_reviews: (_digits, preset) => preset === "nano" ? REVIEWS : {},
  commonsense: () => SCHEMAS,
  multiplication: ([n, m], preset) => multiplication(n, m, preset),
  countdown: () => COUNTDOWN,
  sudoku: (_digits, preset) => maskedDefaults(preset, 81), // a cell a step
  texts: (_digits, preset) => preset === "nano" ? OWN_TRAINING : {},
  problems: (_digits, preset) => ({
    autoencoder: { ...THOUGHTS.autoencoder, ...preset === "nano" ? OWN_TRAINING.autoencoder : {} },
    denoiser: { ...THOUGHTS.denoiser, ...preset === "nano" ? OWN_TRAINING.denoiser : {} },
    sampling: THOUGHTS.sampling,
  }),
  math: (_digits, preset) => ({
    autoencoder: {
      ...THOUGHTS.autoencoder,
      maxTokens: 32, // an equation and the answer
      latents: 8, // four tokens each, as of reviews: with 16, a denoising step takes twice as long
      vocabSize: 2000,
      splitDigits: true,
    },
    denoiser: {
      ...THOUGHTS.denoiser,
      // Each length of questions has a graph with its own memory: batches of 32 took 19 GB.
      ...preset === "smoke" ? {} : { batchSize: 16 },
      conditionTokens: 510, // the longest question, and thoughts
    },
    sampling: THOUGHTS.sampling,
  }),
};
