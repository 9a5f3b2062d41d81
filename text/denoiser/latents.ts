/**
 * Latents of a data set's texts, and the file that keeps them. The file holds hashes of the autoencoder
 * and of the texts, so that latents are never used with others.
 */
import { UserError } from "../../base/errors.ts";
import { fileError } from "../../base/file_errors.ts";
import { makeFolder, writeFileAtomic } from "../../base/files.ts";
import { sha256 } from "../../base/json.ts";
import { float32, type HostArray } from "../../engine/tree.ts";
import { type HostTensor, notFinite } from "../../nn/host_tensor.ts";
import { decodeSafetensors, encodeSafetensors } from "../../nn/safetensors.ts";
import { evaluationTextBatches, exampleLength } from "../../vae/batches.ts";
import { bucketLengths } from "../../vae/buckets.ts";
import type { TextCodec } from "../../vae/text_codec.ts";
import { batchPositions, encoderTokens, type TextVaeConfig } from "../../vae/text_vae_config.ts";
import type { TextTokenizer } from "../../vae/tokenizer/tokenizer.ts";
import { encodeTexts, type TextExample } from "../../vae/tokenizer/texts.ts";

const BATCH = 32;

/** The quantile of magnitudes that dynamic thresholding takes for the range of latents. */
const RANGE_QUANTILE = 0.995;

/** Identifies the autoencoder and the texts of latents. */
export interface LatentsKey {
  readonly vae: string; // SHA-256 of the autoencoder's weights
  readonly texts: string; // SHA-256 of the texts, in order
}

/** The normalization of latents to mean 0 and standard deviation 1, feature by feature. */
export interface LatentScale {
  readonly mean: Float32Array; // of each feature [d]
  /** The standard deviation of each feature [d]; 1 for features that do not vary. */
  readonly deviation: Float32Array;
  readonly range: number; // magnitude that 99.5 % of the normalized latents do not exceed
}

export interface TextLatents extends LatentScale {
  readonly texts: readonly string[]; // each once
  readonly latents: HostArray; // their normalized latents [texts, k, d]
}

export async function latentsKey(
  { hash }: { readonly hash: string },
  texts: readonly string[],
): Promise<LatentsKey> {
  const bytes = new TextEncoder().encode(JSON.stringify(texts));
  return { vae: hash, texts: await sha256(bytes) };
}

type Tokenizers = Record<"tokenizer" | "encoderTokenizer", TextTokenizer>;

/** Texts as tokens, cut to the length of the VAE. An empty text is [CLS] and [SEP]. */
function examplesOf(
  texts: readonly string[],
  { tokenizer, encoderTokenizer }: Tokenizers,
  config: TextVaeConfig,
): TextExample[] {
  const empty: TextExample = {
    encoder: Int32Array.of(encoderTokenizer.id("cls"), encoderTokenizer.id("sep")),
    decoder: new Int32Array(0),
  };
  const examples = texts.map(() => empty);
  if (texts.every((text) => text.trim() === "")) return examples;
  const encoded = encodeTexts(texts, {
    encoder: encoderTokenizer,
    decoder: tokenizer,
    maxTokens: config.maxTokens,
    encoderTokens: encoderTokens(config),
  });
  encoded.rows.forEach((row, i) => examples[row] = encoded.examples[i]!);
  return examples;
}

/** Encodes texts. @returns Latents that are not normalized [texts, k, d]. */
export async function encodeToLatents(
  texts: readonly string[],
  { codec, tokenizer, encoderTokenizer, config }: Tokenizers & {
    readonly codec: Pick<TextCodec, "encode">;
    readonly config: TextVaeConfig;
  },
  onProgress: (done: number) => void = () => {},
): Promise<HostArray> {
  const examples = examplesOf(texts, { tokenizer, encoderTokenizer }, config);
  const size = config.latents * config.latentWidth;
  const data = new Float32Array(texts.length * size);
  const batches = evaluationTextBatches(examples, {
    batchSize: Math.min(BATCH, texts.length),
    buckets: bucketLengths(examples.map(exampleLength), batchPositions(config)),
    padId: encoderTokenizer.id("pad"),
    endId: tokenizer.id("eos"),
  });
  let done = 0;
  for (const { arrays: { inputIds, attentionMask }, rows, count } of batches) {
    const latents = await codec.encode({ inputIds, attentionMask });
    rows.slice(0, count).forEach((row, i) => {
      data.set(latents.data.subarray(i * size, (i + 1) * size), row * size);
    });
    onProgress(done += count);
  }
  return float32(data, [texts.length, config.latents, config.latentWidth]);
}

/**
 * The number at a rank, from 0, among `count` non-negative numbers, as float32. Non-negative float32
 * numbers have the order of their bits: this counts values of the upper 16 bits, then of the lower 16,
 * because hundreds of millions of numbers are too many to copy or to sort.
 */
export function numberOfRank(count: number, at: (i: number) => number, rank: number): number {
  const float = new Float32Array(1);
  const bits = new Uint32Array(float.buffer);
  let [low, left] = [0, rank];
  for (const shift of [16, 0]) {
    const counts = new Float64Array(0x10000);
    for (let i = 0; i < count; i++) {
      float[0] = at(i);
      if (shift === 0 && bits[0]! >>> 16 !== low) continue;
      counts[(bits[0]! >>> shift) & 0xffff]!++;
    }
    let half = 0;
    while (left >= counts[half]!) left -= counts[half++]!;
    low = low * 0x10000 + half;
  }
  bits[0] = low;
  return float[0]!;
}

/**
 * Means and standard deviations of latents [N, k, d] over all axes but the last, in float64. There may
 * be hundreds of millions of numbers: `Float32Array.from(data)` would copy them into an array first,
 * whose length is limited.
 */
export function latentScale({ data, shape }: HostArray): LatentScale {
  const width = shape.at(-1)!;
  const count = data.length / width;
  const [sums, squares] = [new Float64Array(width), new Float64Array(width)];
  data.forEach((value, i) => sums[i % width]! += value);
  const mean = Float32Array.from(sums, (sum) => sum / count);
  data.forEach((value, i) => squares[i % width]! += (value - mean[i % width]!) ** 2);
  const deviation = Float32Array.from(squares, (square) => {
    const root = Math.sqrt(square / count);
    return root > 1e-6 ? root : 1;
  });
  const range = numberOfRank(
    data.length,
    (i) => Math.abs((data[i]! - mean[i % width]!) / deviation[i % width]!),
    Math.floor(RANGE_QUANTILE * (data.length - 1)),
  );
  return { mean, deviation, range };
}

/** Latents [..., d] with mean 0 and standard deviation 1. */
export function normalizeLatents(latents: HostArray, scale: LatentScale): HostArray {
  return mapFeatures(latents, scale, (value, mean, deviation) => (value - mean) / deviation);
}

/** The inverse of {@linkcode normalizeLatents}. */
export function denormalizeLatents(latents: HostArray, scale: LatentScale): HostArray {
  return mapFeatures(latents, scale, (value, mean, deviation) => value * deviation + mean);
}

function mapFeatures(
  { data, shape }: HostArray,
  { mean, deviation }: LatentScale,
  map: (value: number, mean: number, deviation: number) => number,
): HostArray {
  const width = mean.length;
  const mapped = (data as Float32Array)
    .map((value, i) => map(value, mean[i % width]!, deviation[i % width]!));
  return float32(mapped, shape);
}

const FILE = "latents.safetensors";

/** Writes latents to `latents.safetensors` in a folder, which is created. */
export async function saveLatents(
  folder: string,
  { latents, mean, deviation, range }: Omit<TextLatents, "texts">,
  key: LatentsKey,
): Promise<void> {
  const tensor = (data: Float32Array, shape: readonly number[]) =>
    ({ dtype: "F32", shape, data }) as const;
  const bytes = encodeSafetensors(
    new Map([
      ["latents", tensor(latents.data as Float32Array, latents.shape)],
      ["mean", tensor(mean, [mean.length])],
      ["deviation", tensor(deviation, [deviation.length])],
      ["range", tensor(Float32Array.of(range), [1])],
    ]),
    { metadata: { ...key } },
  );
  await makeFolder(folder);
  await writeFileAtomic(`${folder}/${FILE}`, bytes);
}

/** Checks the normalization of latents [..., width] that a file contains. */
export function checkedScale(
  { mean, deviation, range }: {
    readonly mean: HostTensor | undefined;
    readonly deviation: HostTensor | undefined;
    readonly range: number;
  },
  width: number,
  unsound: (problem: string) => UserError,
): LatentScale {
  const vector = (name: string, tensor: HostTensor | undefined) => {
    if (tensor === undefined || !(tensor.data instanceof Float32Array)) {
      throw unsound(`lacks the latents' ${name}`);
    }
    if (tensor.data.length === width && notFinite(tensor.data) < 0) return tensor.data;
    throw unsound(`has a ${name} of latents that is not ${width} numbers`);
  };
  const scale = { mean: vector("mean", mean), deviation: vector("deviation", deviation), range };
  if (!(range > 0) || range === Infinity || scale.deviation.some((value) => value <= 0)) {
    throw unsound("has a range or deviation of latents that is not above 0");
  }
  return scale;
}

async function read(folder: string) {
  const path = `${folder}/${FILE}`;
  try {
    return decodeSafetensors(await Deno.readFile(path), path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error instanceof UserError ? error : fileError(error, `read ${path}`);
  }
}

/** Reads latents that {@linkcode saveLatents} wrote; undefined if there are none. The key must be theirs. */
export async function loadLatents(
  folder: string,
  texts: readonly string[],
  key: LatentsKey,
): Promise<TextLatents | undefined> {
  const found = await read(folder);
  if (found === undefined) return undefined;
  const { tensors, metadata } = found;
  const remedy = "run --stage encode again";
  for (const [part, what] of [["vae", "by another autoencoder"], ["texts", "from other texts"]]) {
    if (metadata.get(part!) === key[part as keyof LatentsKey]) continue;
    throw new UserError(`the latents in ${folder} were made ${what}: ${remedy}`);
  }
  const unsound = (what: string) => new UserError(`${folder}/${FILE} ${what}: ${remedy}`);
  const [latents, mean, deviation, range] = ["latents", "mean", "deviation", "range"]
    .map((name) => tensors.get(name));
  const [rows, , width] = latents?.shape ?? [];
  if (latents?.shape.length !== 3 || rows !== texts.length || range?.data.length !== 1) {
    throw unsound("lacks a part of the latents");
  }
  const scale = checkedScale({ mean, deviation, range: Number(range.data[0]) }, width!, unsound);
  if (!(latents.data instanceof Float32Array) || notFinite(latents.data) >= 0) {
    throw unsound("contains latents that are not numbers");
  }
  return { texts, latents: float32(latents.data, latents.shape), ...scale };
}
