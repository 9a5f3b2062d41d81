/** The flags of text.ts: what each takes, and what `--help` says of it. Defaults are in text.ts. */
import { WINOGRANDE_SIZES } from "../datasets/winogrande.ts";
import { DEVICE_CHOICES } from "../engine/device_names.ts";
import { LEARNING_RATE_SCHEDULES } from "../nn/learning_rate.ts";
import { ADAM_RULES } from "../nn/adamw.ts";
import { AMOUNTS_PER_TEXT, CORRUPTION_KINDS } from "../vae/corruption.ts";
import { LATENT_KINDS, LATENT_SOURCES } from "../vae/text_vae_config.ts";
import { choice, type FlagValues, integer, number, text, toggle } from "../cli/flag_kinds.ts";

/** Data sets of texts. */
export const TEXT_DATASETS = ["hotel_reviews", "commonsense", "math", "multiplication"] as const;

/** What can be done one after the other. */
export const TEXT_STAGES = [
  ...["all", "vae", "encode", "diffusion", "sample", "baseline", "evaluate"] as const,
];

/** What weights are before training: see vae/aligned_start.ts. */
export const INITIALIZATIONS = ["random", "aligned"] as const;

/** The flags, by the headings of `--help`. */
export const TEXT_FLAGS = {
  "Run": {
    dataset: choice(TEXT_DATASETS, {
      help:
        "the texts; hotel_reviews if not given, and of these are the defaults below: those of " +
        "the others are in text/dataset_defaults.ts",
    }),
    digits: text({ placeholder: "NxM", help: "multiplication: digits of both numbers" }),
    trainSize: choice(WINOGRANDE_SIZES, {
      help: "commonsense: which of WinoGrande's training sets",
    }),
    stage: choice(TEXT_STAGES, {
      help:
        "vae: train the autoencoder; encode: texts to latents; diffusion: train the denoiser; " +
        "sample: draw texts; baseline: what --baseline names; evaluate: measure all; all of them if " +
        "not given",
    }),
    preset: choice(["smoke", "nano", "small", "base"], {
      help: "which defaults; nano if not given",
    }),
    sampleOnly: toggle({
      help: "draw texts from trained models, without training; writes runs/text-samples-SEED",
    }),
    checkpoint: text({
      placeholder: "DIR",
      help:
        "the run that --sample-only draws from, or a released one; checkpoints/hotel-reviews if not " +
        "given",
    }),
    config: text({
      placeholder: "FILE",
      help: "repeat the run of this config.json: its settings, device and threads, on its data",
    }),
    out: text({
      placeholder: "DIR",
      help: "the run's folder; runs/text-DATASET-PRESET-SEED if not given",
    }),
    seed: integer({ min: 0, help: "of weights, data order, corruption and noise" }),
    device: choice(DEVICE_CHOICES, {
      help: "where to compute; onnx if not given; see deno task devices",
    }),
    threads: integer({ min: 1, max: 1024, help: "threads of the device; all cores if not given" }),
    dataDir: text({ placeholder: "DIR", help: "a folder with the data set's files" }),
    vae: text({
      placeholder: "DIR",
      help: "a trained autoencoder's run or checkpoint, in place of one trained here",
    }),
    resume: toggle({ help: "go on with the run that is there; --steps may differ" }),
    overwrite: toggle({ help: "remove the run that is there first" }),
  },
  "Training": {
    steps: integer({ min: 1, help: "optimizer steps in all" }),
    batchSize: integer({ min: 1, max: 65536, help: "texts a step" }),
    optimizer: choice(ADAM_RULES, { help: "adamw, or adamax as PLANNER" }),
    learningRate: number({ above: 0, max: 1, help: "the optimizer's, after the warm-up" }),
    encoderLearningRate: number({
      ...{ above: 0, max: 1 },
      help: "of BERT's weights, if another than --learning-rate",
    }),
    freeze: choice(["none", "encoder", "decoder", "latents"], {
      help: "leave BERT's or GPT-2's weights as they are, what is between them learns; latents: " +
        "whatever latents are made by, only how they are read learns",
    }),
    accumulate: integer({
      ...{ min: 1, max: 65536 },
      help: "parts that a batch is computed in, one after the other: less memory, the same step",
    }),
    lrSchedule: choice(LEARNING_RATE_SCHEDULES, { help: "the learning rate after the warm-up" }),
    warmupSteps: integer({ min: 0, help: "steps over which the learning rate rises" }),
    weightDecay: number({ min: 0, max: 1, help: "decoupled weight decay" }),
    maxGradNorm: number({ above: 0, help: "gradients are clipped to this global norm" }),
    adamBeta2: number({
      ...{ above: 0, below: 1 },
      help: "the decay of AdamW's mean of squares, or of Adamax's largest gradient",
    }),
    emaDecay: number({ min: 0, max: 1, help: "of the moving average that texts are decoded with" }),
    startFrom: text({
      placeholder: "DIR",
      help: "begin with model and tokens of this checkpoint or run; from scratch if not given",
    }),
    encoderFrom: text({
      placeholder: "DIR",
      help: "begin with this BERT and its tokenizer: a folder, OWNER/NAME of the hub, or none",
    }),
    decoderFrom: text({
      placeholder: "DIR",
      help: "begin with this GPT-2 and its tokenizer: a folder, OWNER/NAME of the hub, or none",
    }),
    logEvery: integer({ min: 1, help: "steps between rows of metrics.csv" }),
    evalEvery: integer({
      min: 1,
      help: "steps between measurements on held-out texts; a multiple of --log-every",
    }),
    checkpointEvery: integer({ min: 1, help: "steps between checkpoints" }),
    validationSize: integer({ min: 1, max: 100000, help: "held-out texts to measure with" }),
  },
  "Texts": {
    maxTokens: integer({ min: 2, max: 4096, help: "tokens of a text at most" }),
    windows: toggle({ help: "train on all of a longer text, piece by piece, not only its start" }),
    vocabSize: integer({ min: 300, max: 1000000, help: "tokens that byte-level BPE learns" }),
    splitDigits: toggle({ help: "make every digit a token of its own" }),
    copySteps: integer({
      min: 0,
      help: "first steps that only practise copying: random texts, no corruption, no noise",
    }),
    randomTexts: number({
      min: 0,
      max: 1,
      help: "share of texts that random tokens replace: only copying helps there",
    }),
    corruption: choice(CORRUPTION_KINDS, { help: "what is done to tokens that the encoder reads" }),
    corruptionRatio: number({ min: 0, max: 1, help: "the share of tokens that it is done to" }),
    corruptionPerText: choice(AMOUNTS_PER_TEXT, {
      help: "fixed: that share of every text; uniform: up to that share, drawn for each text",
    }),
    decoderCorruption: number({
      min: 0,
      max: 1,
      help: "share of the decoder's own tokens that others replace, so that it needs the latents",
    }),
  },
  "Network": {
    latents: integer({ min: 1, max: 4096, help: "k, latent vectors a text" }),
    latentWidth: integer({ min: 1, max: 65536, help: "d, width of a latent vector" }),
    latentKind: choice(LATENT_KINDS, {
      help:
        "kl: Gaussian, with a divergence in the loss; noise: means with noise added; l2: means " +
        "of one length",
    }),
    latentSource: choice(LATENT_SOURCES, {
      help: "where latents are read: at the text's first positions, at tokens put before it, " +
        "from stretches of it, or by learned queries that attend to all of it",
    }),
    beta: number({ min: 0, help: "kl: weight of the divergence" }),
    freeBits: number({
      min: 0,
      help: "kl: nats that each number of the latents may cost for free",
    }),
    noiseDeviation: number({ min: 0, help: "noise, l2: deviation of the noise added in training" }),
    noisePerText: choice(AMOUNTS_PER_TEXT, {
      help: "fixed: that deviation for every text; uniform: up to it, drawn for each text",
    }),
    encoderLayers: integer({ min: 1, max: 96, help: "layers of BERT" }),
    encoderWidth: integer({ min: 1, max: 16384, help: "features of BERT" }),
    encoderHeads: integer({ min: 1, max: 256, help: "heads of BERT's attention" }),
    decoderLayers: integer({ min: 1, max: 96, help: "layers of GPT-2" }),
    decoderWidth: integer({ min: 1, max: 16384, help: "features of GPT-2" }),
    decoderHeads: integer({ min: 1, max: 256, help: "heads of GPT-2's attention" }),
    initializerRange: number({ above: 0, max: 1, help: "deviation of random weights" }),
    initialization: choice(INITIALIZATIONS, {
      help: "weights to begin with: random, or such that the decoder looks at the latents in turn",
    }),
  },
};

/** Flags that were given on the command line. */
export type TextFlags = Partial<FlagValues<typeof TEXT_FLAGS>>;

/** Flags that say where to compute, or what to do besides training: no settings of a run. */
const NOT_SETTINGS = [
  ...[
    "stage",
    "preset",
    "sampleOnly",
    "checkpoint",
    "config",
    "out",
    "device",
    "threads",
    "dataDir",
    "vae",
    "resume",
    "overwrite",
  ] as const,
] as const;

type Settings = Omit<FlagValues<typeof TEXT_FLAGS>, typeof NOT_SETTINGS[number]>;

/** Settings that a preset need not have. */
type Unset = "startFrom" | "encoderFrom" | "decoderFrom" | "encoderLearningRate";

/** Everything that decides what a run computes: the other flags say where, not what. */
export type TextConfig =
  & Omit<Settings, Unset>
  & Partial<Pick<Settings, Unset>>;

const SETTINGS = new Set(
  Object.values(TEXT_FLAGS).flatMap((group) => Object.keys(group))
    .filter((key) => !(NOT_SETTINGS as readonly string[]).includes(key)),
);

/** The settings of the autoencoder among others, such as all flags that were given. */
export function textSettingsOf<C extends object>(settings: C): Pick<C, keyof C & keyof TextConfig> {
  const own = Object.entries(settings).filter(([key]) => SETTINGS.has(key));
  return Object.fromEntries(own) as Pick<C, keyof C & keyof TextConfig>;
}

/** Settings that may differ when a run is resumed. */
export const TEXT_EXTENDABLE: readonly string[] = ["steps"];
