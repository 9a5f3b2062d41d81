/** The flags of text.ts that concern the run, the data and the autoencoder. */
import { WINOGRANDE_SIZES } from "../datasets/winogrande.ts";
import { ADAM_RULES } from "../nn/adamw.ts";
import { AMOUNTS_PER_TEXT, CORRUPTION_KINDS } from "../vae/corruption.ts";
import { LATENT_KINDS, LATENT_SOURCES } from "../vae/text_vae_config.ts";
import { choice, integer, number, text, toggle } from "../cli/flag_kinds.ts";
import type { Example } from "../cli/help.ts";
import { OUTPUT_FLAGS } from "../cli/output.ts";
import {
  DEVICE_FLAGS,
  folderFlags,
  rareTrainingFlags,
  SEED_FLAG,
  trainingFlags,
} from "../cli/run_flags.ts";

export const TEXT_DATASETS = [
  "hotel_reviews",
  "commonsense",
  "math",
  "multiplication",
  "countdown",
  "sudoku",
  "texts",
  "problems",
] as const;

export const TEXT_STAGES = [
  "all",
  "vae",
  "encode",
  "diffusion",
  "sample",
  "baseline",
  "evaluate",
] as const;

/** Initial weights of the autoencoder: see vae/aligned_start.ts. */
export const INITIALIZATIONS = ["random", "aligned"] as const;

const RUN = {
  stage: choice(TEXT_STAGES, {
    help: "run one stage; all if not given",
    meanings: {
      all: "all of them; stages that have a result are skipped",
      vae: "train the autoencoder",
      encode: "encode the data set as latents",
      diffusion: "train the denoiser",
      sample: "generate texts or answer problems",
      baseline: "train and measure the GPT-2 of --baseline",
      evaluate: "measure the samples",
    },
  }),
  ...folderFlags({
    folder: "runs/text-NAME-PRESET-SEED, NAME of the data set or of your file",
    extendable: "--steps or --diffusion-steps",
  }),
  overwrite: toggle({
    help: "delete the run in the folder and start again; with --stage diffusion, baseline or " +
      "evaluate, delete the results of that stage only",
  }),
};

const DATA = {
  dataset: choice(TEXT_DATASETS, {
    help: "texts or problems",
    meanings: {
      hotel_reviews: "hotel reviews with 1 to 5 stars",
      commonsense: "Winograd schemas: WinoGrande and WSC273",
      math: "word problems: GSM8K",
      multiplication: "products of two numbers, generated",
      countdown: "a target from some numbers by +, -, * and /, generated",
      sudoku: "Sudoku puzzles, generated; for --diffusion masked",
      texts: "your own, by --texts",
      problems: "your own, by --problems",
    },
  }),
  texts: text({
    placeholder: "FILE",
    help:
      "train on your texts: .txt (a text a line, or a paragraph each if there are blank lines " +
      "between), .csv or .jsonl",
  }),
  column: text({ placeholder: "NAME", help: "column of texts in a .csv; text by default" }),
  labelColumn: text({
    placeholder: "NAME",
    help: "column of labels in a .csv, which texts are generated from; label by default, if any",
  }),
  field: text({ placeholder: "NAME", help: "the same for texts in a .jsonl" }),
  labelField: text({ placeholder: "NAME", help: "the same for labels in a .jsonl" }),
  problems: text({
    placeholder: "FILE",
    help: "train on your problems: .jsonl with question, thoughts (a list) and answer",
  }),
  digits: text({ placeholder: "NxM", help: "multiplication: digits of the two numbers" }),
  numbers: integer({ min: 3, max: 5, help: "countdown: how many numbers; 4 if not given" }),
  trainSize: choice(WINOGRANDE_SIZES, { help: "commonsense: training set of WinoGrande" }),
};

const AUTOENCODER = {
  startFrom: text({
    placeholder: "DIR",
    help: "initialize with the model and the tokenizer of this run or checkpoint",
  }),
  encoderFrom: text({
    placeholder: "DIR",
    help:
      "initialize BERT and its tokenizer: a folder, OWNER/NAME on the Hugging Face hub, or none",
  }),
  decoderFrom: text({
    placeholder: "DIR",
    help:
      "initialize GPT-2 and its tokenizer: a folder, OWNER/NAME on the Hugging Face hub, or none",
  }),
  ...trainingFlags("texts"),
  maxTokens: integer({ min: 2, max: 4096, help: "most tokens of a text" }),
  latents: integer({ min: 1, max: 4096, help: "k, latent vectors per text" }),
  latentWidth: integer({ min: 1, max: 65536, help: "d, width of a latent vector" }),
  latentKind: choice(LATENT_KINDS, {
    help: "what a latent vector is",
    meanings: {
      kl: "a Gaussian; the KL divergence from N(0, I) is part of the loss",
      noise: "the encoder's output; noise is added in training",
      l2: "like noise, normalized to the length sqrt(d)",
    },
  }),
  encoderLayers: integer({ min: 1, max: 96, help: "layers of BERT" }),
  encoderWidth: integer({ min: 1, max: 16384, help: "width of BERT" }),
  encoderHeads: integer({ min: 1, max: 256, help: "attention heads of BERT" }),
  decoderLayers: integer({ min: 1, max: 96, help: "layers of GPT-2" }),
  decoderWidth: integer({ min: 1, max: 16384, help: "width of GPT-2" }),
  decoderHeads: integer({ min: 1, max: 256, help: "attention heads of GPT-2" }),
};

const RARE_AUTOENCODER = {
  latentSource: choice(LATENT_SOURCES, {
    help: "encoder states that become latents",
    meanings: {
      first: "those of the text's first k tokens (PLANNER)",
      tokens: "those of k special tokens before the text",
      stretches: "all, in k equal stretches of the text",
      resampler: "all, through k learned queries (LD4LG)",
    },
  }),
  beta: number({ min: 0, help: "kl: weight of the KL divergence" }),
  freeBits: number({
    min: 0,
    help: "kl: nats of divergence per latent dimension that cost nothing",
  }),
  noiseDeviation: number({
    min: 0,
    help: "noise, l2: standard deviation of the noise added in training",
  }),
  noisePerText: choice(AMOUNTS_PER_TEXT, {
    help:
      "noise, l2: fixed uses this deviation for every text, uniform samples one up to it per text",
  }),
  windows: toggle({
    help: "train on all parts of texts longer than --max-tokens, not only the first",
  }),
  vocabSize: integer({ min: 300, max: 1000000, help: "tokens of the byte-level BPE vocabulary" }),
  splitDigits: toggle({ help: "make every digit a token of its own" }),
  copySteps: integer({
    min: 0,
    help: "first steps that only train copying: random texts, no corruption, no noise",
  }),
  randomTexts: number({
    min: 0,
    max: 1,
    help:
      "share of texts replaced by random tokens, which the decoder can only read from the latents",
  }),
  corruption: choice(CORRUPTION_KINDS, {
    help: "corruption of the encoder's input",
    meanings: {
      none: "no corruption",
      substitute: "random tokens in place of some",
      bert: "[MASK], random or same token (Devlin et al. 2019)",
      span: "[MASK] in place of spans",
    },
  }),
  corruptionRatio: number({ min: 0, max: 1, help: "share of tokens that are corrupted" }),
  corruptionPerText: choice(AMOUNTS_PER_TEXT, {
    help: "fixed uses this share for every text, uniform samples one up to it per text",
  }),
  decoderCorruption: number({
    min: 0,
    max: 1,
    help: "share of the decoder's input tokens that are replaced, so that it relies on the latents",
  }),
  initializerRange: number({ above: 0, max: 1, help: "standard deviation of random weights" }),
  initialization: choice(INITIALIZATIONS, {
    help: "initial weights",
    meanings: {
      random: "as BERT and GPT-2",
      aligned: "the decoder attends to the latents in their order from the start",
    },
  }),
  optimizer: choice(ADAM_RULES, { help: "update rule; PLANNER uses adamax" }),
  encoderLearningRate: number({
    above: 0,
    max: 1,
    help: "learning rate of BERT; --learning-rate by default",
  }),
  adamBeta2: number({ above: 0, below: 1, help: "beta2 of AdamW or Adamax" }),
  freeze: choice(["none", "encoder", "decoder", "latents"], {
    help: "weights that are not trained",
    meanings: {
      none: "train all",
      encoder: "BERT",
      decoder: "GPT-2",
      latents: "all except for the decoder and its input layer, so that latents stay the same",
    },
  }),
  accumulate: integer({
    min: 1,
    max: 65536,
    help: "compute a batch in this many parts, to save memory",
  }),
  ...rareTrainingFlags("texts", 100000),
};

/** The flags that decide what the autoencoder's training computes. */
export const AUTOENCODER_SETTINGS = {
  seed: SEED_FLAG,
  data: DATA,
  autoencoder: AUTOENCODER,
  rareAutoencoder: RARE_AUTOENCODER,
};

/** The flags of the run, the data and the autoencoder, by the headings of `--help`. */
export const AUTOENCODER_FLAGS = {
  "Presets": {
    preset: choice(["smoke", "nano", "small", "base"], {
      help: "default settings; nano if not given",
      meanings: {
        smoke: "seconds: runs every stage, learns almost nothing",
        nano: "half an hour on a laptop: starts from checkpoints/text-vae",
        small: "hours on two CPU cores: starts from random weights",
        base: "days on two CPU cores: BERT-base and GPT-2 from the Hugging Face hub",
      },
    }),
  },
  "Run": { ...RUN, ...SEED_FLAG, ...DEVICE_FLAGS, ...OUTPUT_FLAGS },
  "Data": {
    ...DATA,
    dataDir: text({ placeholder: "DIR", help: "folder with the files of the data set" }),
  },
  "Sampling without training": {
    sampleOnly: toggle({
      help: "do not train: generate texts with --checkpoint and the sampling flags; writes " +
        "runs/text-samples-SEED",
    }),
    checkpoint: text({
      placeholder: "DIR",
      help:
        "the run or released checkpoint to sample from; checkpoints/hotel-reviews by default, " +
        "checkpoints/sudoku for sudoku",
    }),
  },
  "Autoencoder: BERT encodes, GPT-2 decodes": {
    vae: text({
      placeholder: "DIR",
      help: "use this trained autoencoder, of a run or checkpoint, instead of training one",
    }),
    ...AUTOENCODER,
  },
  "Rarely needed: autoencoder": RARE_AUTOENCODER,
};

export const TEXT_ABOUT =
  "Trains a text autoencoder, BERT to latents and GPT-2 back to text, and a " +
  "diffusion model of its latents; generates texts, or answers problems by Diffusion of Thought; " +
  "or trains masked diffusion of tokens, which solves Sudoku; measures them and writes reports.\nThe defaults below are those of --dataset hotel_reviews. Other " +
  "data sets change some of them: see text/dataset_defaults.ts.";

export const TEXT_EXAMPLES: readonly Example[] = [
  [
    "deno task text",
    "Train an autoencoder and a denoiser of hotel reviews, generate reviews and measure them.",
  ],
  ["deno task text --preset smoke", "Try every stage in seconds, on a bundled sample of the data."],
  ["deno task text --sample-only --rating 5", "Generate reviews with the released weights."],
  ["deno task text --texts FILE.csv", "Train on your own texts, with labels or without."],
  ["deno task text --problems FILE.jsonl", "Train Diffusion of Thought on your own problems."],
  [
    "deno task text --dataset multiplication",
    "Train Diffusion of Thought to multiply, one thought after the other.",
  ],
  [
    "deno task text --dataset sudoku",
    "Train masked diffusion to fill in Sudoku boards; no autoencoder is needed.",
  ],
  [
    "deno task text --dataset math --stage baseline --baseline cot",
    "Train and measure a GPT-2 with chain of thought on the same problems, after --stage vae.",
  ],
];
