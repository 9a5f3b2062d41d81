/** What a trained text autoencoder is measured by, written down: evaluation.json and the report. */
import type { Device } from "../../engine/device.ts";
import type { JsonObject } from "../../base/json.ts";
import {
  evaluateTextVae,
  evaluationJson,
  type TextVaeEvaluation,
  writeEvaluation,
} from "./evaluate.ts";
import { TrigramModel } from "../../metrics/trigram_model.ts";
import { randomStream } from "../../nn/random.ts";
import { readMetrics } from "../../training/metrics.ts";
import type { RunFolder } from "../../cli/run_folder.ts";
import type { TextData } from "../data.ts";
import type { TextConfig } from "../flags.ts";
import type { TrainedTextVae } from "./train.ts";
import { compileTextCodec } from "../../vae/text_codec.ts";
import { figureLine, writeReport } from "../../report/report.ts";
import {
  evaluationFigures,
  evaluationTexts,
  reconstructionProtocol,
  TEXT_CHARTS,
  textFigures,
} from "../report.ts";
import { trainingSummary } from "../../cli/training_summary.ts";

/** Texts that are decoded together. */
const EVALUATION_BATCH = 50;

/** What comes back from the latents of held-out texts. */
async function evaluate(
  device: Device,
  { vae, texts, buckets }: TrainedTextVae,
): Promise<TextVaeEvaluation> {
  const { config, tokenizer, encoderTokenizer } = vae;
  const codec = compileTextCodec(device, vae, tokenizer.id("eos"));
  const evaluation = await evaluateTextVae({
    ...{ codec, tokenizer, encoderTokenizer, config, examples: texts.validation },
    language: new TrigramModel(texts.train.map(({ decoder }) => decoder), tokenizer.vocabSize),
    random: randomStream(0).stream("evaluation"),
    ...{ batchSize: Math.min(EVALUATION_BATCH, texts.validation.length), buckets },
    ...{ padId: encoderTokenizer.id("pad"), endId: tokenizer.id("eos") },
  });
  await codec.dispose();
  return evaluation;
}

/** Measures a trained autoencoder, writes the report of its run, and says what it says. */
export async function reportTextVae(
  { directory, record }: Pick<RunFolder, "directory" | "record">,
  { device, data, config, trained }: {
    readonly device: Device;
    readonly data: Pick<TextData, "origin" | "description">;
    readonly config: TextConfig;
    readonly trained: TrainedTextVae;
  },
): Promise<void> {
  const steps = config.steps - trained.done;
  const summary = trainingSummary({ ...trained, config, device, unit: "texts", steps });
  const evaluation = await evaluate(device, trained);
  const protocol = reconstructionProtocol(config, trained.texts.validation.length);
  await writeEvaluation(directory, evaluationJson(evaluation, protocol));
  const rows = await readMetrics(`${directory}/metrics.csv`);
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
    origin: record as unknown as JsonObject,
  });
  for (const { original, reconstruction } of evaluation.examples) {
    console.log(`\n  ${original}\n  ${reconstruction}`);
  }
  console.log(`\n${summary}`);
  figures.forEach((figure) => console.log(figureLine(figure)));
  console.log(`report: ${report}`);
}
