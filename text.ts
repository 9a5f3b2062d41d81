/**
 * Trains a text autoencoder on hotel reviews: BERT turns a text into latent vectors, GPT-2 says it again.
 *
 *     deno task text                                     # minutes on a laptop
 *     deno task text --preset smoke                      # seconds, on the bundled sample
 *     deno task text --resume --steps 6000               # train the same run on
 *     deno task text --data-dir DIR --preset small       # an hour: the released checkpoint
 *     deno task text --help                              # every setting, with ranges and defaults
 *
 * A run's folder holds config.json, metrics.csv, checkpoints/ (encoder and decoder in transformers'
 * layout), evaluation.json and report.html.
 */
import { openDevice } from "./engine/device.ts";
import { EXIT } from "./engine/errors.ts";
import type { JsonObject } from "./engine/json.ts";
import type * as tf from "./engine/tf.ts";
import {
  evaluateTextVae,
  evaluationJson,
  writeEvaluation,
} from "./evaluation/evaluate_text_vae.ts";
import { compileTextLoss } from "./evaluation/text_loss.ts";
import { TrigramModel } from "./evaluation/trigram_model.ts";
import { adamW } from "./nn/optimizers.ts";
import { countParameters, type Parameters, unravel } from "./nn/parameters.ts";
import { randomStream } from "./nn/random.ts";
import { writeReport } from "./report/report.ts";
import {
  evaluationFigures,
  evaluationTexts,
  reconstructionProtocol,
  TEXT_CHARTS,
  TEXT_METRICS,
  textFigures,
} from "./report/text_report.ts";
import { trainingSummary } from "./report/training_summary.ts";
import { loadCheckpoint } from "./training/checkpoint.ts";
import { describeDamage, findCheckpoint, saveCheckpoint } from "./training/checkpoint_folders.ts";
import { initTrainState } from "./training/diffusion_step.ts";
import { parseFlags, resolveConfig } from "./training/flags.ts";
import { helpText, wantsHelp } from "./training/help.ts";
import { compileLossStep } from "./training/loss_step.ts";
import { MeanWindow } from "./training/mean_window.ts";
import { MetricsLog, readMetrics } from "./training/metrics.ts";
import { runProgram } from "./training/program.ts";
import { openRunFolder } from "./training/run_folder.ts";
import { describeSession } from "./training/session.ts";
import { loadTrainState } from "./training/state_tensors.ts";
import { superviseTraining } from "./training/supervise.ts";
import { checkTextConsistency, textVaeConfigOf } from "./training/text_config.ts";
import { loadTexts } from "./training/text_data.ts";
import {
  TEXT_EXTENDABLE,
  TEXT_FLAGS,
  type TextConfig,
  textSettingsOf,
} from "./training/text_flags.ts";
import { initTextVae, prepareTexts } from "./training/text_vae_start.ts";
import { textVaeBatches } from "./training/text_vae_batches.ts";
import { loadTextVae, textVaeCheckpoint } from "./training/text_vae_checkpoint.ts";
import { compileTextCodec } from "./vae/text_codec.ts";
import { textVaeSpecs } from "./vae/text_vae.ts";
import { type TextVaeBatch, textVaeLoss } from "./vae/text_vae_loss.ts";

/** From random weights, an hour on two cores: what checkpoints/text-vae was trained with. */
const SMALL: TextConfig = {
  dataset: "hotel_reviews",
  seed: 0,
  // Training
  steps: 2000, // seven passes over all windows; copying takes the first 400
  batchSize: 16, // a thousand tokens: more steps teach copying sooner than larger ones
  learningRate: 2e-3, // small models stand more than PLANNER's 5e-4
  lrSchedule: "cosine", // the last tenth of the quality comes at low rates
  warmupSteps: 100, // Adam's variances are guesses until then
  weightDecay: 0.01, // PyTorch's default for AdamW
  maxGradNorm: 1, // as PLANNER
  adamBeta2: 0.99, // what latents say changes quickly while copying is learnt
  emaDecay: 0.999, // an upper bound: it starts low and grows, see nn/ema.ts
  logEvery: 20,
  evalEvery: 100,
  checkpointEvery: 100,
  validationSize: 200, // more tells no more of the mean
  // Texts
  maxTokens: 64,
  windows: true, // reviews are longer: eight times the text to learn from
  vocabSize: 4000, // half of the parameters are the two tables of tokens
  splitDigits: false,
  copySteps: 400, // by then, 99 % of the tokens are copied
  randomTexts: 0.1, // what cannot be guessed has to be read from the latents
  corruption: "substitute", // PLANNER's
  corruptionRatio: 0.3, // at most; with 0.5, tokens that are right are doubted, too
  corruptionPerText: "uniform", // clean texts are among them
  decoderCorruption: 0.2, // or it learns to guess and to do without latents
  // Network
  latents: 16, // PLANNER's
  latentWidth: 128, // 32 numbers a token: with 16, copying takes several times as long
  latentKind: "noise", // no divergence: it costs reconstruction before there is any
  latentSource: "stretches", // what is read where is given; with queries, it has to be found
  beta: 0,
  freeBits: 0,
  noiseDeviation: 0.4, // what diffusion leaves in latents must not change the text
  encoderLayers: 2,
  encoderWidth: 192,
  encoderHeads: 6,
  decoderLayers: 2,
  decoderWidth: 192,
  decoderHeads: 6,
  initializerRange: 0.05, // tokens are told apart sooner than with BERT's 0.02
  initialization: "aligned",
};

/** The defaults of each preset. */
export const PRESETS: Record<"smoke" | "nano" | "small" | "base", TextConfig> = {
  // Seconds: every part runs, nothing is learned well. What tests use.
  smoke: {
    ...SMALL,
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
  // What a laptop does while one waits.
  nano: { ...SMALL, steps: 500, copySteps: 300 },
  small: SMALL,
  // The sizes of BERT-base and GPT-2; days on two cores.
  base: {
    ...SMALL,
    batchSize: 8, // memory
    learningRate: 5e-5,
    vocabSize: 30_000,
    latents: 16,
    latentWidth: 768,
    latentSource: "first", // PLANNER's
    encoderLayers: 12,
    encoderWidth: 768,
    encoderHeads: 12,
    decoderLayers: 12,
    decoderWidth: 768,
    decoderHeads: 12,
    initializerRange: 0.02,
  },
};

/** Texts that are decoded together. */
const EVALUATION_BATCH = 50;

async function main(): Promise<number> {
  if (wantsHelp(Deno.args)) {
    console.log(helpText({
      usage: "deno task text [flags]",
      about: "Trains a text autoencoder with BERT and GPT-2 and writes a report.",
      flags: TEXT_FLAGS,
      presets: PRESETS,
    }));
    return EXIT.done;
  }
  const given = parseFlags(Deno.args, TEXT_FLAGS);
  const { preset = "nano" } = given;
  const config = resolveConfig(PRESETS[preset], textSettingsOf(given));
  checkTextConsistency(config, given);
  const device = await openDevice(given.device ?? "onnx", {
    ...(given.threads === undefined ? {} : { threads: given.threads }),
  });
  const random = randomStream(config.seed);

  // The data, and the folder.
  const data = await loadTexts(given, config);
  using folder = await openRunFolder({
    directory: given.out ?? `runs/text-${config.dataset}-${preset}-${config.seed}`,
    automatic: given.out === undefined,
    program: "text",
    seed: config.seed,
    config: config as unknown as JsonObject,
    data: [{
      name: `${config.dataset}, train`,
      origin: data.origin === "sample" ? "the bundled sample" : data.origin,
      sha256: data.sha256,
      rows: data.train.length + data.validation.length,
    }],
    session: await describeSession(["text", ...Deno.args], device, {
      root: import.meta.dirname ?? ".",
      now: Date.now(),
    }),
    ...(given.resume === undefined ? {} : { resume: given.resume }),
    ...(given.overwrite === undefined ? {} : { overwrite: given.overwrite }),
    extendable: TEXT_EXTENDABLE,
    steps: config.steps,
  });
  folder.notes.forEach((note) => console.log(note));
  const { directory, record: { configHash } } = folder;

  // Tokens and model: from the last checkpoint if there is one, or from scratch.
  const found = await findCheckpoint(directory);
  describeDamage(found).forEach((line) => console.error(line));
  const checkpoint = found === undefined ? undefined : await loadCheckpoint(found.directory);
  const loaded = checkpoint === undefined ? undefined : loadTextVae(checkpoint);
  const texts = prepareTexts(data, config, loaded?.tokenizer);
  const { tokenizer } = texts;
  const model = loaded?.config ?? textVaeConfigOf(config, tokenizer.vocabSize);
  const specs = textVaeSpecs(model);
  const { weightDecay, maxGradNorm, adamBeta2: beta2 } = config;
  const optimizer = { weightDecay, maxGradNorm, beta2 };
  const { slots } = adamW(optimizer);
  const initial = checkpoint === undefined
    ? initTrainState(initTextVae(model, config, random.stream("weights")), specs, adamW(optimizer))
    : loadTrainState(checkpoint, specs, slots);
  const done = checkpoint?.state?.step ?? 0;
  const batches = textVaeBatches({ ...texts, model, config, random });
  console.log(
    `${countParameters(specs).toLocaleString("en")} parameters, ${tokenizer.vocabSize} tokens, ` +
      `lengths ${batches.buckets.join(", ")}, ${device.name} device, ${device.threads} threads, ` +
      `${directory}${done > 0 ? `, going on at step ${done}` : ""}`,
  );

  // Training.
  const trainStep = compileLossStep(device, {
    specs,
    optimizer,
    loss: (parameters: Parameters, batch: Readonly<Record<string, tf.Tensor>>) =>
      textVaeLoss(parameters, batch as unknown as TextVaeBatch, model, config),
  });
  const textLoss = compileTextLoss(device, { config: model, specs });
  const metricsPath = `${directory}/metrics.csv`;
  using metrics = await MetricsLog.open(metricsPath, TEXT_METRICS, {
    resumeStep: checkpoint === undefined ? undefined : done,
  });
  const window = new MeanWindow(checkpoint?.state?.details?.["window"] as JsonObject);
  const { state, interrupted, ...measured } = await superviseTraining({
    ...{ config, device, trainStep, done, metrics, unit: "texts" },
    ...{ state: initial, batchAt: batches.batchAt },
    window: {
      add: ({ loss, gradNorm, figures }) =>
        window.add({
          ...{ loss, gradNorm },
          reconstruction: figures["reconstruction"]!.data[0],
          divergence: figures["divergence"]!.data[0],
        }),
      means: () => window.means(),
      take: () => window.take(),
    },
    measure: async ({ ema }) => {
      const { loss, perplexity, tokenAccuracy } = await textLoss(ema, batches.heldOut);
      return { valLoss: loss, valPerplexity: perplexity, valTokenAccuracy: tokenAccuracy };
    },
    save: (state, step) =>
      saveCheckpoint(
        directory,
        textVaeCheckpoint({
          ...{ config: model, tokenizer, state, step, configHash },
          seed: config.seed,
          details: { window: window.toJson() },
        }),
      ),
  });
  if (interrupted) return EXIT.interrupted;
  const summary = trainingSummary({
    ...{ config, device, ...measured, unit: "texts", steps: config.steps - done },
  });
  await trainStep.dispose();
  await textLoss.dispose();

  // What comes back from latents, and the report.
  const codec = compileTextCodec(
    device,
    { config: model, parameters: unravel(state.ema, specs) },
    tokenizer.id("eos"),
  );
  const evaluation = await evaluateTextVae({
    ...{ codec, tokenizer, config: model, examples: texts.validation },
    language: new TrigramModel(texts.train.map(({ decoder }) => decoder), tokenizer.vocabSize),
    random: randomStream(0).stream("evaluation"),
    ...{ batchSize: Math.min(EVALUATION_BATCH, texts.validation.length), buckets: batches.buckets },
    ...{ padId: tokenizer.id("pad"), endId: tokenizer.id("eos") },
  });
  await codec.dispose();
  const protocol = reconstructionProtocol(config, texts.validation.length);
  await writeEvaluation(directory, evaluationJson(evaluation, protocol));
  const rows = await readMetrics(metricsPath);
  const figures = [...evaluationFigures(evaluation, protocol), ...textFigures(rows, config)];
  const report = await writeReport(directory, {
    title: directory.slice(directory.lastIndexOf("/") + 1),
    summary,
    warnings: data.origin === "sample" ? [data.description] : [],
    figures,
    texts: evaluationTexts(evaluation),
    metrics: rows,
    charts: TEXT_CHARTS,
    config: config as unknown as JsonObject,
    origin: folder.record as unknown as JsonObject,
  });
  for (const { original, reconstruction } of evaluation.examples) {
    console.log(`\n  ${original}\n  ${reconstruction}`);
  }
  console.log(`\n${summary}`);
  figures.forEach(({ name, value, protocol }) => console.log(`${name}: ${value} (${protocol})`));
  console.log(`report: ${report}`);
  return EXIT.done;
}

if (import.meta.main) await runProgram(main);
