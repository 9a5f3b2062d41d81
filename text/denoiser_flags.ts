/** The flags of text.ts that concern the denoiser, sampling and evaluation; and all flags together. */
import { RATINGS } from "../datasets/hotel_reviews.ts";
import { sudokuLevels } from "../datasets/sudoku.ts";
import { maskedTimeWeights } from "../diffusion/masked.ts";
import { unmaskingOrders } from "../diffusion/samplers/unmask.ts";
import { latentSchedules } from "./denoiser/schedules.ts";
import { flowSamplerNames, samplerNames } from "../diffusion/samplers/registry.ts";
import { predictionTypes } from "../diffusion/schedules.ts";
import { timestepDraws } from "../diffusion/timestep_sampling.ts";
import { choice, integer, number, text, toggle } from "../cli/flag_kinds.ts";
import {
  OBJECTIVE_MEANINGS,
  PREDICTION_MEANINGS,
  prefixed,
  rareTrainingFlags,
  SAMPLER_MEANINGS,
  TIMESTEP_MEANINGS,
  trainingFlags,
} from "../cli/run_flags.ts";
import { AUTOENCODER_FLAGS } from "./flags.ts";

/** What a generated text is conditioned on. */
export const TEXT_CONDITIONS = [
  "none",
  "rating",
  "label",
  "continuation",
  "summary",
  "sentence",
  "question",
] as const;

/** What encodes the text of a condition. */
export const CONDITION_READERS = ["vae", "vae_trained", "new", "latents"] as const;

/** Whether all thoughts of a problem are generated together, or one after the other. */
export const THOUGHT_PASSES = ["single", "multi"] as const;

const DENOISER = {
  condition: choice(TEXT_CONDITIONS, {
    help: "what a text is conditioned on",
    meanings: {
      none: "nothing",
      rating: "its rating",
      label: "its label; of --texts",
      continuation: "its first sentence; the rest is generated",
      summary: "all but its first sentence, which is generated",
      sentence: "a sentence with a blank; the clause from the blank on is generated",
      question: "a problem; its thoughts are generated",
    },
  }),
  thoughtPasses: choice(THOUGHT_PASSES, {
    help: "question: how thoughts are denoised",
    meanings: { single: "all together", multi: "one after the other, each given those before" },
  }),
  ...prefixed("diffusion", trainingFlags("texts or problems")),
  denoiserLayers: integer({ min: 1, max: 96, help: "transformer blocks" }),
  denoiserWidth: integer({ min: 2, max: 16384, help: "width" }),
  denoiserHeads: integer({ min: 1, max: 256, help: "attention heads" }),
  objective: choice(["diffusion", "flow_matching"], {
    help: "what is trained",
    meanings: OBJECTIVE_MEANINGS,
  }),
  prediction: choice(predictionTypes, {
    help: "what the denoiser predicts; with flow_matching, always the velocity of the flow",
    meanings: PREDICTION_MEANINGS,
  }),
  timesteps: integer({ min: 2, max: 4000, help: "T, the timesteps of the noise schedule" }),
  noiseSchedule: choice(latentSchedules, {
    help: "noise schedule; alphas_cumprod at time t from 0 to 1 is",
    meanings: {
      cosine: "cos^2(pi t / 2)",
      linear: "exp(-1e-4 - 10 t^2)",
      sqrt: "1 - sqrt(t + 1e-4) (Li et al. 2022)",
      tan_d: "1 / (1 + d^2 tan^2(pi t / 2)) (Shabalin et al. 2025)",
    },
  }),
  noiseShift: number({ help: "added to the log-SNR of the schedule; below 0 for more noise" }),
  selfConditioning: number({
    min: 0,
    max: 1,
    help:
      "share of training batches that are conditioned on the denoiser's own estimate; 0 builds a " +
      "denoiser without self-conditioning",
  }),
};

const RARE_DENOISER = {
  conditionReader: choice(CONDITION_READERS, {
    help: "what encodes the text of a condition",
    meanings: {
      vae: "the autoencoder's BERT, frozen",
      vae_trained: "the autoencoder's BERT, fine-tuned",
      new: "a BERT of the same size, from random weights",
      latents: "no BERT: the denoiser attends to the latents of that text",
    },
  }),
  conditionTokens: integer({
    min: 4,
    max: 4096,
    help: "most tokens of a condition; longer reviews are cut, longer problems are an error",
  }),
  conditionDropout: number({
    min: 0,
    max: 1,
    help: "share of conditions that are dropped for classifier-free guidance",
  }),
  maxThoughts: integer({
    min: 1,
    max: 64,
    help: "most thoughts of a problem; problems with more are left out",
  }),
  randomCut: toggle({
    help:
      "multi: train on one thought of a problem, sampled each time; off: on every thought in turn",
  }),
  scheduledSampling: number({
    min: 0,
    max: 1,
    help:
      "share of batches, at the end of training, that start from the denoiser's own estimate; it " +
      "grows from 0 (Ye et al. 2024)",
  }),
  coupledSampling: number({
    min: 0,
    max: 1,
    help: "multi: share of problems whose previous thought is noised too (Ye et al. 2024)",
  }),
  tanD: number({ above: 0, help: "d of --noise-schedule tan_d" }),
  minSnrGamma: number({
    min: 0,
    help: "gamma of min-SNR loss weights (Hang et al. 2023); 0 is off",
  }),
  p2Gamma: number({ min: 0, help: "gamma of P2 loss weights (Choi et al. 2022); 0 is off" }),
  p2K: number({ above: 0, help: "k of P2 loss weights; it limits the weights at high noise" }),
  timestepSampling: choice(timestepDraws, {
    help: "how the timesteps of a batch are sampled",
    meanings: TIMESTEP_MEANINGS,
  }),
  ...prefixed(
    "diffusion",
    rareTrainingFlags("texts or problems", 100000),
  ),
};

/** The flags that decide what the denoiser's training computes. */
export const DENOISER_SETTINGS = { denoiser: DENOISER, rareDenoiser: RARE_DENOISER };

const SAMPLING = {
  samples: integer({
    min: 1,
    max: 100000,
    help: "texts to generate, or held-out problems to answer",
  }),
  rating: integer({
    min: 1,
    max: RATINGS,
    help: "generate reviews with this number of stars; by default all ratings in turn",
  }),
  label: text({
    placeholder: "NAME",
    help: "generate texts of this label; by default all labels in turn",
  }),
  sampler: choice([...samplerNames, ...flowSamplerNames], {
    help: "sampling algorithm; flow_matching has flow_euler only",
    meanings: SAMPLER_MEANINGS,
  }),
  sampleSteps: integer({ min: 1, max: 4000, help: "sampling steps" }),
  guidance: number({ help: "classifier-free guidance scale; 1 is off" }),
  votes: integer({
    min: 1,
    max: 1000,
    help:
      "samples per condition: problems are answered by majority; of texts, the sample that is most " +
      "similar to the others is chosen (minimum Bayes risk)",
  }),
  decodingTemperature: number({
    min: 0,
    max: 100,
    help: "temperature of the decoder's tokens; 0 takes the most likely ones",
  }),
  trajectory: toggle({
    help: "write the decoded text of every sampling step of the first samples",
  }),
};

const RARE_SAMPLING = {
  eta: number({ min: 0, max: 1, help: "ddim: 0 adds no noise, 1 as much as ddpm" }),
  temperature: number({
    min: 0,
    help: "factor of all noise in sampling: the initial noise and what the sampler adds",
  }),
  finalSigma: number({
    min: 0,
    max: 100,
    help:
      "stop sampling where noise over data is this, and decode the noisy latents; needs a decoder " +
      "that was trained with such noise; 0 removes all noise",
  }),
  dynamicThreshold: number({
    min: 0,
    max: 1,
    help: "dynamic thresholding (Saharia et al. 2022) of x0 at this quantile; 0 is off",
  }),
  sampleBatchSize: integer({ min: 1, max: 65536, help: "texts that are generated together" }),
};

/** The flags that decide how texts are generated with a denoiser. */
export const SAMPLING_SETTINGS = { sampling: SAMPLING, rareSampling: RARE_SAMPLING };

const MASKED = {
  diffusion: choice(["latent", "masked"], {
    help: "what noise is added to; masked for sudoku, latent for the others",
    meanings: {
      latent: "an autoencoder's latents: Gaussian noise",
      masked: "tokens: a token becomes a mask (Sahoo et al. 2024)",
    },
  }),
  givens: text({
    placeholder: "N-M",
    help: "sudoku: fewest and most givens of generated puzzles",
  }),
  level: choice(sudokuLevels, {
    help: "sudoku: generated puzzles",
    meanings: {
      singles: "solved by cells with one possible digit, and digits with one possible cell",
      any: "also those that need search",
    },
  }),
  timeWeight: choice(maskedTimeWeights, {
    help: "weight of the loss at time t, at which each target is masked with probability t",
    meanings: {
      bound: "1 / t, a bound of the likelihood (Sahoo et al. 2024)",
      linear: "1 - t (Ye et al. 2025)",
      uniform: "1",
    },
  }),
  unmaskingOrder: choice(unmaskingOrders, {
    help: "which masks are filled first",
    meanings: {
      random: "any",
      confidence: "the most probable predictions (Nie et al. 2025)",
      margin: "the greatest differences to the second most probable token (Kim et al. 2025)",
      entropy: "the predictions of least entropy",
      noisy_confidence: "the most probable ones, with noise that falls (Chang et al. 2022)",
    },
  }),
};

/** The flags of masked diffusion that are settings. */
export const MASKED_SETTINGS = { masked: MASKED };

/** The flags that decide what samples and answers are compared with. */
export const EVALUATION = {
  baseline: choice(["none", "direct", "cot"], {
    help: "also train a GPT-2 of the denoiser's size on the same problems",
    meanings: {
      none: "no baseline",
      direct: "it generates the answer",
      cot: "it generates the steps, then the answer (chain of thought)",
    },
  }),
  judge: text({
    placeholder: "DIR",
    help:
      "GPT-2 for perplexity and MAUVE, in the format of transformers; by default one is trained",
  }),
  judgeSteps: integer({ min: 1, help: "optimizer steps of that training" }),
};

const { "Rarely needed: autoencoder": RARE_AUTOENCODER, ...COMMON } = AUTOENCODER_FLAGS;

/** All flags of text.ts, by the headings of `--help`. */
export const TEXT_FLAGS = {
  ...COMMON,
  "Denoiser: diffusion of latents": DENOISER,
  "Masked diffusion": {
    ...MASKED,
    puzzles: text({
      placeholder: "FILE",
      help: "sudoku: solve the puzzles of this CSV file, with columns quiz and perhaps solution",
    }),
  },
  "Sampling": SAMPLING,
  "Evaluation": EVALUATION,
  "Rarely needed: autoencoder": RARE_AUTOENCODER,
  "Rarely needed: denoiser": RARE_DENOISER,
  "Rarely needed: sampling": RARE_SAMPLING,
};
