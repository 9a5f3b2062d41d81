/** The evaluation of a trained text autoencoder, and its part of the report. */
import type { KeyFigure } from "../../base/figure.ts";
import type { Device } from "../../engine/device.ts";
import {
  evaluateTextVae,
  evaluationJson,
  type TextVaeEvaluation,
  writeEvaluation,
} from "./evaluate.ts";
import { TrigramModel } from "../../metrics/trigram_model.ts";
import { countNumbers } from "../../nn/parameters.ts";
import { randomStream } from "../../nn/random.ts";
import { type MetricsRow, readMetrics } from "../../training/metrics.ts";
import { SUBSTITUTED } from "./quality.ts";
import type { TextConfig } from "../settings.ts";
import type { TrainedTextVae } from "./train.ts";
import { compileTextCodec } from "../../vae/text_codec.ts";
import { type MetricsChart, metricsPlots } from "../../report/report.ts";
import type { ReportSection, ReportTexts } from "../../report/sections.ts";
import { readFileIfExists, writeFileAtomic } from "../../base/files.ts";
import { parseJsonObject } from "../../base/json.ts";
import { readTrainingTime, trainingSummary } from "../../cli/training_time.ts";

const CHARTS: MetricsChart[] = [
  {
    title: "Reconstruction",
    xLabel: "step",
    columns: { reconstruction: "training", valLoss: "validation (average)" },
    yLabel: "nats per token",
    yScale: "log",
  },
  {
    title: "Token accuracy on held-out texts, each token given the previous ones",
    xLabel: "step",
    columns: { valTokenAccuracy: "validation (average)" },
    yLabel: "share of tokens",
  },
  { title: "Divergence", xLabel: "step", yLabel: "nats per text", columns: { divergence: "KL" } },
  { title: "Norm of the gradients", xLabel: "step", yLabel: "norm", columns: { gradNorm: "norm" } },
];

/** The figures of training, from the last row that has them. */
function trainingFigures(rows: readonly MetricsRow[], config: TextConfig): KeyFigure[] {
  const last = rows.findLast(({ valLoss }) => valLoss !== undefined);
  if (last === undefined) return [];
  const protocol = `at most ${config.validationSize} held-out texts, cut to ${config.maxTokens} ` +
    `tokens, each token given the previous ones and the latents, averaged weights, step ${last.step}`;
  return [
    {
      name: "Validation loss",
      value: last["valLoss"]!.toFixed(4),
      protocol: `nats per token, ${protocol}`,
    },
    {
      name: "Token accuracy",
      value: `${(100 * last["valTokenAccuracy"]!).toFixed(2)} %`,
      protocol,
    },
  ];
}

function reconstructionProtocol(
  { maxTokens, steps }: Pick<TextConfig, "maxTokens" | "steps">,
  texts: number,
): string {
  return `${texts} held-out texts, cut to ${maxTokens} tokens, encoded, and decoded greedily from the ` +
    `latents alone; corpus BLEU as sacrebleu's 13a; averaged weights, step ${steps}`;
}

function evaluationFigures(
  { quality, perplexity }: TextVaeEvaluation,
  protocol: string,
): KeyFigure[] {
  const { clean, substituted, noised, noisedArea, latents } = quality;
  const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
  return [
    { name: "BLEU", value: clean.bleu.toFixed(2), protocol },
    { name: "Tokens reconstructed at their place", value: percent(clean.tokenAccuracy), protocol },
    { name: "Texts reconstructed exactly", value: percent(clean.exact), protocol },
    {
      name: "Robust BLEU",
      value: substituted.bleu.toFixed(2),
      protocol: `${percent(SUBSTITUTED)} of the encoder's tokens substituted; ${protocol}`,
    },
    {
      name: "BLEU under noise, area",
      value: noisedArea.toFixed(2),
      protocol: `BLEU as a function of the deviation of noise on latents (${
        noised.map(({ deviation, bleu }) => `${deviation}: ${bleu.toFixed(1)}`).join(", ")
      }), area by the trapezoidal rule; ${protocol}`,
    },
    {
      name: "Perplexity of interpolations",
      value: perplexity.interpolated.toFixed(1),
      protocol:
        "of the texts that are decoded halfway between two texts' latents, under a trigram " +
        `model of the training texts (Witten-Bell); held-out texts have ${
          perplexity.heldOut.toFixed(1)
        }, their reconstructions ${perplexity.reconstructed.toFixed(1)}`,
    },
    {
      name: "Latents",
      value: `mean ${latents.mean.toFixed(3)}, deviation ${latents.deviation.toFixed(3)}`,
      protocol: `${latents.active} of ${latents.numbers} numbers active (variance above 0.01)`,
    },
  ];
}

function evaluationTexts({ examples, interpolations }: TextVaeEvaluation): ReportTexts[] {
  return [
    {
      caption: "Held-out texts and their reconstructions",
      texts: examples.map(({ original: prompt, reconstruction: text }) => ({ prompt, text })),
    },
    ...interpolations.map((texts, i) => ({
      caption: `Interpolation between two texts, ${i + 1}`,
      texts: texts.map((text) => ({ text })),
    })),
  ];
}

const EVALUATION_BATCH = 50;

async function evaluate(
  device: Device,
  { vae, texts, buckets }: TrainedTextVae,
): Promise<TextVaeEvaluation> {
  const { config, tokenizer, encoderTokenizer } = vae;
  const codec = compileTextCodec(device, vae, tokenizer.id("eos"));
  const evaluation = await evaluateTextVae({
    codec,
    tokenizer,
    encoderTokenizer,
    config,
    examples: texts.validation,
    language: new TrigramModel(texts.train.map(({ decoder }) => decoder), tokenizer.vocabSize),
    random: randomStream(0).stream("evaluation"),
    batchSize: Math.min(EVALUATION_BATCH, texts.validation.length),
    buckets,
    padId: encoderTokenizer.id("pad"),
    endId: tokenizer.id("eos"),
  });
  await codec.dispose();
  return evaluation;
}

/** What the report tells of an autoencoder. */
export interface AutoencoderResults {
  readonly parameters: number;
  readonly figures: readonly KeyFigure[];
  readonly texts: readonly ReportTexts[];
}

/** The file that keeps {@linkcode AutoencoderResults} for the reports of later stages. */
export const AUTOENCODER_RESULTS = "reconstructions.json";

/** Measures a trained autoencoder on held-out texts. Writes evaluation.json and reconstructions.json. */
export async function measureAutoencoder(
  directory: string,
  { device, config, trained }: {
    readonly device: Device;
    readonly config: TextConfig;
    readonly trained: TrainedTextVae;
  },
): Promise<AutoencoderResults> {
  const evaluation = await evaluate(device, trained);
  const protocol = reconstructionProtocol(config, trained.texts.validation.length);
  await writeEvaluation(directory, evaluationJson(evaluation, protocol));
  const rows = await readMetrics(`${directory}/metrics.csv`);
  const results: AutoencoderResults = {
    parameters: countNumbers(trained.vae.parameters),
    figures: [...evaluationFigures(evaluation, protocol), ...trainingFigures(rows, config)],
    texts: evaluationTexts(evaluation),
  };
  await writeFileAtomic(
    `${directory}/${AUTOENCODER_RESULTS}`,
    `${JSON.stringify(results, null, 2)}\n`,
  );
  return results;
}

/** Reads what {@linkcode measureAutoencoder} wrote; undefined if it wrote nothing. */
export async function readAutoencoderResults(
  directory: string,
): Promise<AutoencoderResults | undefined> {
  const path = `${directory}/${AUTOENCODER_RESULTS}`;
  const bytes = await readFileIfExists(path);
  if (bytes === undefined) return undefined;
  const json: unknown = parseJsonObject(new TextDecoder().decode(bytes), path);
  return json as AutoencoderResults;
}

/** The autoencoder's part of the report. */
export async function autoencoderSection(
  directory: string,
  { figures, texts }: AutoencoderResults,
  { config, device }: { config: TextConfig; device: Pick<Device, "threads"> },
): Promise<ReportSection> {
  const rows = await readMetrics(`${directory}/metrics.csv`);
  const time = await readTrainingTime(directory);
  return {
    heading: "Autoencoder",
    notes: [trainingSummary(time, { config, unit: "texts", device })],
    table: {
      columns: ["figure", "value", "protocol"],
      rows: figures.map(({ name, value, protocol }) => [name, value, protocol]),
    },
    texts,
    plots: metricsPlots(CHARTS, rows),
  };
}
