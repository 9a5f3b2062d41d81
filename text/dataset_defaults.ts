/** Settings that follow from text.ts's data set, whatever the preset. */
import { multiplicationPasses } from "../datasets/multiplication.ts";
import type { TextDiffusionConfig, TextSamplingConfig } from "./denoiser_flags.ts";
import type { TextConfig } from "./flags.ts";

type Settings = TextConfig & TextDiffusionConfig & TextSamplingConfig;

/** Of problems, whatever the set. */
const THOUGHTS: Partial<Settings> = {
  condition: "question",
  conditionReader: "new", // questions are longer than thoughts
  conditionDropout: 0, // an answer is right or wrong: there is nothing to strengthen
  guidance: 1,
  windows: false,
  corruption: "none", // one digit more or less is another number
  scheduledSampling: 0.05, // Diffusion of Thought's
  samples: 200,
  sampleSteps: 10,
  sampleBatchSize: 100,
};

/**
 * Of multiplications, which are learned by heart before they are understood: what it takes until 2x2
 * digits are right that were held out.
 */
const CALCULATION: Partial<Settings> = {
  denoiserLayers: 4,
  ...{ denoiserWidth: 128, denoiserHeads: 4 }, // few numbers, many steps
  diffusionSteps: 8000, // the loss falls to nothing between step 2,000 and 4,000, carries take longer
  diffusionBatchSize: 64,
  diffusionLearningRate: 3e-3, // 1e-3 takes twice as many steps
  diffusionWeightDecay: 0.1, // against learning by heart
};

/**
 * Of reviews, with a model that copies them already. Latents that copy hold far more than a small
 * denoiser can make up: it draws what a review is about, and the decoder, which knows what it has said,
 * finds the words.
 */
const REVIEWS: Partial<Settings> = {
  ...{ steps: 2000, batchSize: 32 }, // fourteen epochs
  learningRate: 1e-3,
  freeze: "latents", // they are good as they are; only how they are heard is learned
  ...{ randomTexts: 0, decoderCorruption: 0 }, // what was said before is to be relied on now
  ...{ noiseDeviation: 2.5, noisePerText: "uniform" }, // up to 3.6 times what latents vary
  ...{ diffusionSteps: 6000, diffusionLearningRate: 1e-3 },
  noiseShift: -3, // two thirds of the time steps have more noise than is left in the end
  finalSigma: 2.5, // below that, words are drawn that do not go together
  guidance: 25, // with less, ratings are seen less often than in real reviews
  decodingTemperature: 0.3, // the likeliest words alone end too soon
};

/** What a data set needs besides a preset, by its name; of multiplication, by its digits. */
export const DATASET_DEFAULTS: Record<
  TextConfig["dataset"],
  (digits: readonly number[], preset: string) => Partial<Settings>
> = {
  hotel_reviews: (_digits, preset) => preset === "nano" ? REVIEWS : {},
  commonsense: () => ({
    condition: "sentence",
    conditionReader: "new", // of words that clauses have too, but longer
    conditionDropout: 0, // an answer is right or wrong: there is nothing to strengthen
    guidance: 1,
    windows: false,
    maxTokens: 32,
    latents: 16,
    conditionTokens: 126,
    samples: 2000, // all of WinoGrande's dev set, and of WSC273
    sampleSteps: 20,
    sampleBatchSize: 100,
  }),
  multiplication: ([n, m], preset) => ({
    ...THOUGHTS,
    ...preset === "smoke" ? {} : CALCULATION,
    thoughtPasses: "multi", // all at once, sums are learned by heart: their digits are not there yet
    selfConditioning: 0, // there is one answer, which one estimate finds
    scheduledSampling: 0,
    noiseShift: -6, // digits are seen through so much noise that there would be nothing to calculate
    ...{ samples: 1000, sampleBatchSize: 200 }, // all that are held out
    maxTokens: n! + m! + 1, // the question, the answer with its mark, a sum in brackets
    ...{ latents: n! + m! + 1, latentWidth: 64 }, // a digit each
    vocabSize: 300, // digits stand apart, each a token with its space
    conditionReader: "latents", // which are the digits: a new reader learns three times slower
    conditionTokens: multiplicationPasses(m!) * (n! + m! + 1),
    maxThoughts: multiplicationPasses(m!),
  }),
  math: (_digits, preset) => ({
    ...THOUGHTS,
    // Each length of questions has a graph with memory of its own: batches of 32 took 19 GB.
    ...preset === "smoke" ? {} : { diffusionBatchSize: 16 },
    maxTokens: 32, // an equation and the answer
    latents: 8, // four tokens each, as of reviews: with 16, a denoising step takes twice as long
    vocabSize: 2000,
    splitDigits: true,
    conditionTokens: 510, // words and digits of the longest question, and of thoughts
  }),
};
