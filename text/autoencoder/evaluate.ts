/** The evaluation of a text VAE: figures, and texts for the report. */
import { fileError } from "../../base/file_errors.ts";
import { writeFileAtomic } from "../../base/files.ts";
import type { JsonObject } from "../../base/json.ts";
import { float32 } from "../../engine/tree.ts";
import type { RandomStream } from "../../nn/random.ts";
import { evaluationTextBatches, type TextBatchOptions } from "../../vae/batches.ts";
import type { TextCodec } from "../../vae/text_codec.ts";
import type { TextVaeConfig } from "../../vae/text_vae_config.ts";
import type { TextTokenizer } from "../../vae/tokenizer/tokenizer.ts";
import type { TextExample } from "../../vae/tokenizer/texts.ts";
import type { ReconstructedText } from "./reconstruction.ts";
import { measureTextVae, SUBSTITUTED, type TextVaeQuality } from "./quality.ts";
import type { TrigramModel } from "../../metrics/trigram_model.ts";

/** The maximum number of pairs of neighbouring held-out texts whose midpoints are decoded. */
const MIDPOINTS = 32;

/** The number of reconstructions and interpolations in the report, and of texts in an interpolation. */
const [SHOWN, LINES, POINTS] = [10, 2, 5] as const;

export interface TextVaeEvaluation {
  readonly quality: TextVaeQuality; // reconstruction and latents
  /**
   * Perplexity under a trigram model of the training texts: of the texts that are decoded halfway between
   * two texts' latents, of held-out texts, and of their reconstructions.
   */
  readonly perplexity: {
    readonly interpolated: number;
    readonly heldOut: number;
    readonly reconstructed: number;
  };
  readonly examples: readonly ReconstructedText[]; // held-out texts with their reconstructions
  /** The texts of interpolations between two held-out texts. */
  readonly interpolations: readonly (readonly string[])[];
}

/** Measures a text VAE on held-out texts. */
export async function evaluateTextVae(
  { codec, config, tokenizer, examples, language, random, ...padding }: TextBatchOptions & {
    readonly codec: TextCodec;
    readonly config: TextVaeConfig;
    readonly tokenizer: TextTokenizer;
    readonly encoderTokenizer?: TextTokenizer;
    readonly examples: readonly TextExample[];
    readonly language: TrigramModel; // for perplexity
    readonly random: RandomStream; // of corruption and noise
  },
): Promise<TextVaeEvaluation> {
  const quality = await measureTextVae(codec, tokenizer, examples, { ...padding, random });
  const latents: Float32Array[] = Array(examples.length);
  for (const { arrays, rows, count } of evaluationTextBatches(examples, padding)) {
    const { data } = await codec.encode(arrays);
    const size = data.length / rows.length;
    rows.slice(0, count).forEach((row, i) => {
      latents[row] = Float32Array.from(data.subarray(i * size, (i + 1) * size));
    });
  }
  const decode = (rows: readonly Float32Array[]) =>
    decodeAll(codec, rows, [config.latents, config.latentWidth], padding.batchSize);
  const pairs = latents.slice(1).map((to, i) => [latents[i]!, to] as const);
  const middles = pairs.slice(0, MIDPOINTS).map(([from, to]) => latentsBetween(from, to, 3)[1]!);
  const lines = pairs.filter((_, i) => i % 2 === 0).slice(0, LINES);
  const between = await decode(lines.flatMap(([from, to]) => latentsBetween(from, to, POINTS)));
  const reconstructions = await decode(latents);
  return {
    quality,
    perplexity: {
      interpolated: language.perplexity(await decode(middles)),
      heldOut: language.perplexity(examples.map(({ decoder }) => decoder)),
      reconstructed: language.perplexity(reconstructions),
    },
    examples: quality.clean.texts.slice(0, SHOWN),
    interpolations: lines.map((_, i) =>
      between.slice(i * POINTS, (i + 1) * POINTS).map((ids) => tokenizer.decode(ids))
    ),
  };
}

/** Latents [steps][k d] at equidistant points of the line between two texts' latents [k d], ends included. */
function latentsBetween(
  from: Float32Array,
  to: Float32Array,
  steps: number,
): Float32Array[] {
  return Array.from({ length: steps }, (_, i) => {
    const share = i / (steps - 1);
    return from.map((value, j) => (1 - share) * value + share * to[j]!);
  });
}

/** Decodes latents, each [k d], in batches of one size, so that one graph is enough. */
async function decodeAll(
  codec: TextCodec,
  latents: readonly Float32Array[],
  shape: readonly [number, number],
  batchSize: number,
): Promise<Int32Array[]> {
  const size = shape[0] * shape[1];
  const texts: Int32Array[] = [];
  for (let start = 0; start < latents.length; start += batchSize) {
    const data = new Float32Array(batchSize * size);
    const rows = latents.slice(start, start + batchSize);
    rows.forEach((row, i) => data.set(row, i * size));
    const decoded = await codec.decode(float32(data, [batchSize, ...shape]));
    texts.push(...decoded.slice(0, rows.length));
  }
  return texts;
}

/** The figures, for evaluation.json, without texts: reviews may not be redistributed. */
export function evaluationJson(
  { quality, perplexity }: TextVaeEvaluation,
  protocol: string,
): JsonObject {
  const parts = ({ bleu, tokenAccuracy, exact }: TextVaeQuality["clean"]) => {
    return { bleu, tokenAccuracy, exact };
  };
  const { clean, substituted, noised, noisedArea, latents } = quality;
  return {
    protocol,
    clean: parts(clean),
    substituted: { share: SUBSTITUTED, ...parts(substituted) },
    noised: noised.map((point) => ({ ...point })),
    noisedArea,
    latents: { ...latents },
    trigramPerplexity: { ...perplexity },
  };
}

export async function writeEvaluation(directory: string, json: JsonObject): Promise<void> {
  const path = `${directory}/evaluation.json`;
  try {
    await writeFileAtomic(path, `${JSON.stringify(json, null, 2)}\n`);
  } catch (error) {
    throw fileError(error, `write ${path}`);
  }
}
