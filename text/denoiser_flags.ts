/** The flags of text.ts's latents and their diffusion. Defaults are in text.ts. */
import { RATINGS } from "../datasets/hotel_reviews.ts";
import { latentSchedules } from "./denoiser/schedules.ts";
import { flowSamplerNames, samplerNames } from "../diffusion/samplers/registry.ts";
import { predictionTypes } from "../diffusion/schedules.ts";
import { timestepDraws } from "../diffusion/timestep_sampling.ts";
import { LEARNING_RATE_SCHEDULES } from "../nn/learning_rate.ts";
import { choice, type FlagValues, integer, number, text, toggle } from "../cli/flag_kinds.ts";
import { TEXT_FLAGS } from "./flags.ts";

/** What is known when a text is made. */
export const TEXT_CONDITIONS = [
  ...["none", "rating", "continuation", "summary", "sentence", "question"] as const,
];

/** What reads the condition's text. */
export const CONDITION_READERS = ["vae", "vae_trained", "new", "latents"] as const;

/** Whether thoughts are made together or one after the other. */
export const THOUGHT_PASSES = ["single", "multi"] as const;

/** Flags that decide what the denoiser learns. */
const TRAINING = {
  "Condition": {
    condition: choice(TEXT_CONDITIONS, {
      help: "what a text is made from: nothing; its rating; its first sentence (continuation); " +
        "the text without it (summary); a sentence with a blank; the question that thoughts answer",
    }),
    conditionReader: choice(CONDITION_READERS, {
      help:
        "what reads a condition's text: the VAE's encoder as it is, or trained on; a new BERT " +
        "of its size; or none, its latents being heard",
    }),
    conditionTokens: integer({
      min: 4,
      max: 4096,
      help: "tokens of a condition at most; of a review, the rest is cut",
    }),
    conditionDropout: number({
      min: 0,
      max: 1,
      help: "share of conditions that are dropped in training, for guidance",
    }),
  },
  "Thoughts": {
    thoughtPasses: choice(THOUGHT_PASSES, {
      help: "single: all thoughts are denoised together; multi: one a pass, given those before",
    }),
    maxThoughts: integer({
      min: 1,
      max: 64,
      help: "thoughts of a problem; longer ones are left out",
    }),
    randomCut: toggle({ help: "multi: draw which thought is learned at every visit of a problem" }),
    scheduledSampling: number({
      min: 0,
      max: 1,
      help:
        "share of batches at the end of training whose clean latents the model makes itself; it " +
        "grows from 0",
    }),
    coupledSampling: number({
      min: 0,
      max: 1,
      help: "multi: share of problems whose previous thought is noised together with the next",
    }),
  },
  "Diffusion": {
    objective: choice(["diffusion", "flow_matching"], { help: "what the denoiser learns" }),
    prediction: choice(predictionTypes, { help: "what it predicts; of a flow, the velocity" }),
    timesteps: integer({ min: 2, max: 4000, help: "T, steps from text to noise" }),
    noiseSchedule: choice(latentSchedules, { help: "how noise grows" }),
    noiseShift: number({ help: "added to the log-SNR; below 0 for more noise" }),
    tanD: number({ above: 0, help: "tan_d: d" }),
    minSnrGamma: number({ min: 0, help: "weigh by min-SNR with this gamma; 0 for not" }),
    p2Gamma: number({ min: 0, help: "weigh by P2 with this gamma; 0 for not" }),
    p2K: number({ above: 0, help: "P2: k" }),
    timestepSampling: choice(timestepDraws, { help: "how a batch's time steps are drawn" }),
    selfConditioning: number({
      min: 0,
      max: 1,
      help: "share of batches that are shown the denoiser's own estimate; 0 for a denoiser without",
    }),
  },
  "Denoiser": {
    denoiserLayers: integer({ min: 1, max: 96, help: "blocks of the transformer" }),
    denoiserWidth: integer({ min: 2, max: 16384, help: "its features" }),
    denoiserHeads: integer({ min: 1, max: 256, help: "its heads of attention" }),
  },
  "Training of the denoiser": {
    diffusionSteps: integer({ min: 1, help: "optimizer steps in all" }),
    diffusionBatchSize: integer({ min: 1, max: 65536, help: "texts or problems a step" }),
    diffusionLearningRate: number({ above: 0, max: 1, help: "AdamW's, after the warm-up" }),
    diffusionLrSchedule: choice(LEARNING_RATE_SCHEDULES, { help: "the rate after the warm-up" }),
    diffusionWarmupSteps: integer({ min: 0, help: "steps over which the rate rises" }),
    diffusionWeightDecay: number({ min: 0, max: 1, help: "decoupled weight decay" }),
    diffusionMaxGradNorm: number({ above: 0, help: "gradients are clipped to this global norm" }),
    diffusionEmaDecay: number({
      min: 0,
      max: 1,
      help: "of the moving average that is sampled from",
    }),
    diffusionLogEvery: integer({ min: 1, help: "steps between rows of diffusion/metrics.csv" }),
    diffusionEvalEvery: integer({
      min: 1,
      help: "steps between measurements on held-out texts; a multiple of --diffusion-log-every",
    }),
    diffusionCheckpointEvery: integer({ min: 1, help: "steps between checkpoints" }),
    diffusionValidationSize: integer({
      min: 1,
      max: 100000,
      help: "held-out texts to measure with",
    }),
  },
};

/** Flags that decide how texts are drawn from a denoiser. */
const SAMPLING = {
  "Sampling": {
    sampler: choice([...samplerNames, ...flowSamplerNames], { help: "how noise is taken away" }),
    sampleSteps: integer({ min: 1, max: 4000, help: "denoising steps" }),
    guidance: number({ help: "classifier-free guidance; 1 for none" }),
    eta: number({ min: 0, max: 1, help: "ddim: noise of a step, 1 for as much as ddpm" }),
    dynamicThreshold: number({
      min: 0,
      max: 1,
      help: "quantile at which a clean sample's largest numbers are clipped; 0 for none",
    }),
    temperature: number({ min: 0, help: "factor of the noise that sampling starts from and adds" }),
    finalSigma: number({
      min: 0,
      max: 100,
      help:
        "noise over data at which sampling ends and the decoder goes on, which has to be trained " +
        "with such noise; 0 to take all noise away",
    }),
    decodingTemperature: number({
      min: 0,
      max: 100,
      help: "of the decoder's tokens, which are drawn; 0 for the likeliest ones",
    }),
    samples: integer({
      min: 1,
      max: 100000,
      help: "texts to draw, or held-out problems to answer",
    }),
    rating: integer({
      min: 1,
      max: RATINGS,
      help: "stars of the reviews to draw; as many of each number if not given",
    }),
    votes: integer({
      min: 1,
      max: 1000,
      help:
        "samples of each problem, which vote on its answer; of each text with a source, of which " +
        "the one most like the others is taken",
    }),
    sampleBatchSize: integer({ min: 1, max: 65536, help: "texts that are drawn together" }),
    trajectory: toggle({ help: "decode every step of the first samples, and write them down" }),
  },
};

/** Flags that decide what texts and answers are compared with. */
const EVALUATION = {
  "Evaluation": {
    baseline: choice(["none", "direct", "cot"], {
      help:
        "train a GPT-2 of the denoiser's size on the same problems, too: it answers directly, or " +
        "with written-out steps",
    }),
    judge: text({
      placeholder: "DIR",
      help: "a GPT-2 in transformers' files, for perplexity and MAUVE; one is trained if not given",
    }),
    judgeSteps: integer({ min: 1, help: "optimizer steps of the judge that is trained here" }),
  },
};

/** All flags of text.ts, by the headings of `--help`. */
export const TEXT_PROGRAM_FLAGS = { ...TEXT_FLAGS, ...TRAINING, ...SAMPLING, ...EVALUATION };

/** Settings of the denoiser's training. */
export type TextDiffusionConfig = FlagValues<typeof TRAINING>;

type SamplingFlags = FlagValues<typeof SAMPLING>;

/** Settings of sampling. */
export type TextSamplingConfig =
  & Omit<SamplingFlags, "rating">
  & Partial<Pick<SamplingFlags, "rating">>;

type EvaluationFlags = FlagValues<typeof EVALUATION>;

/** Settings of the evaluation. */
export type TextEvaluationConfig =
  & Omit<EvaluationFlags, "judge">
  & Partial<Pick<EvaluationFlags, "judge">>;

/** The names of a group's flags. */
const keysOf = (groups: Readonly<Record<string, object>>) =>
  new Set(Object.values(groups).flatMap((group) => Object.keys(group)));

const [TRAINING_KEYS, SAMPLING_KEYS] = [keysOf(TRAINING), keysOf(SAMPLING)];
const EVALUATION_KEYS = keysOf(EVALUATION);

/** Whether a setting, by its camelCase name, is one of sampling. */
export function isSamplingSetting(key: string): boolean {
  return SAMPLING_KEYS.has(key);
}

/** The settings of {@linkcode TextDiffusionConfig} among others. */
export function diffusionSettingsOf<C extends object>(
  settings: C,
): Pick<C, keyof C & keyof TextDiffusionConfig> {
  return pick(settings, TRAINING_KEYS) as Pick<C, keyof C & keyof TextDiffusionConfig>;
}

/** The settings of {@linkcode TextSamplingConfig} among others. */
export function samplingSettingsOf<C extends object>(
  settings: C,
): Pick<C, keyof C & keyof TextSamplingConfig> {
  return pick(settings, SAMPLING_KEYS) as Pick<C, keyof C & keyof TextSamplingConfig>;
}

/** The settings of {@linkcode TextEvaluationConfig} among others. */
export function evaluationSettingsOf<C extends object>(
  settings: C,
): Pick<C, keyof C & keyof TextEvaluationConfig> {
  return pick(settings, EVALUATION_KEYS) as Pick<C, keyof C & keyof TextEvaluationConfig>;
}

function pick(settings: object, keys: ReadonlySet<string>): object {
  return Object.fromEntries(Object.entries(settings).filter(([key]) => keys.has(key)));
}

/** Settings that may differ when the denoiser's training is resumed. */
export const DIFFUSION_EXTENDABLE: readonly string[] = ["diffusionSteps"];
