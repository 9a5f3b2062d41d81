/**
 * Initial weights with which the decoder attends, from the first step on, to the latents of the token
 * that it predicts. With random weights the decoder first has to learn where each latent belongs, and by
 * then it has learned to do without latents: it ends as a language model that ignores its prefix. All
 * weights are still trained, under the names and shapes of BERT and GPT-2; only their initial values
 * differ (mimetic initialization: Trockman and Kolter 2023, arXiv:2305.09828, who also set queries and
 * keys alike).
 *
 * Position embeddings are sinusoids in the first features of an embedding, as many features as a head
 * has. Their frequencies are evenly spaced, not geometric as in Vaswani et al. 2017: the product of two
 * positions is then about sinc(distance), which has one narrow peak. Queries and keys read these features
 * alone, so a head attends to its own position. One more feature marks the side to attend to (latents in
 * the decoder, tokens in the encoder), which the bias of the queries prefers.
 */
import { float32, type HostArray } from "../engine/tree.ts";
import type { HostParameters } from "../nn/parameters.ts";
import { prefixLength, type TextVaeConfig } from "./text_vae_config.ts";

/** The score of a head's own position minus that of a distant one. */
const SHARPNESS = 10;

/** The score of the marked side minus that of the other side. */
const PREFERENCE = 6;

/** The standard deviation of the prefix, in units of the token embeddings', so that it stands out. */
const PREFIX_SCALE = 2;

/** The standard deviation of the prefix with the weights of a fresh linear layer, and latents of tanh. */
const FRESH_PREFIX = 0.29;

interface Half {
  readonly width: number;
  readonly heads: number;
  /** The standard deviation of its token embeddings. */
  readonly deviation: number;
  /** Tokens from one latent to the next: positions nearer than half of it count as the same. */
  readonly stretch: number;
}

/** The position embeddings of one half, and the attention weights that read them. */
function positionalAttention({ width, heads, deviation, stretch }: Half) {
  const size = width / heads;
  const pairs = Math.floor(size / 2) - 1;
  if (pairs < 1) {
    throw new RangeError(`a head of ${size} features has no room for positions: it takes 4`);
  }
  const top = Math.min(Math.PI, 2 * Math.PI / stretch);
  const frequencies = Array.from({ length: pairs }, (_, i) => top * (i + 0.5) / pairs);
  // Over all features, the deviation of the token embeddings that positions are added to.
  const amplitude = deviation * Math.sqrt(2 * width / size);
  const normed = amplitude / Math.hypot(deviation, deviation); // after the layer norm
  const gain = Math.sqrt(SHARPNESS * Math.sqrt(size) / pairs) / normed;
  const mark = size - 1;
  return {
    size,
    /** The embedding of a position, which may be fractional; `side` is 1 for the side to attend to. */
    embedding(position: number, side: 1 | -1): Float32Array {
      const row = new Float32Array(width);
      frequencies.forEach((frequency, i) => {
        row[2 * i] = amplitude * Math.sin(frequency * position);
        row[2 * i + 1] = amplitude * Math.cos(frequency * position);
      });
      row[mark] = side * amplitude;
      return row;
    },
    /** Weights [size][width] of queries or keys, which shift a position by `shift`. */
    weights(shift: number): Float32Array[] {
      const rows = Array.from({ length: size }, () => new Float32Array(width));
      frequencies.forEach((frequency, i) => {
        const [cos, sin] = [Math.cos(frequency * shift), Math.sin(frequency * shift)];
        rows[2 * i]!.set([gain * cos, gain * sin], 2 * i);
        rows[2 * i + 1]!.set([-gain * sin, gain * cos], 2 * i);
      });
      rows[mark]![mark] = gain;
      return rows;
    },
    /** The bias [size] of queries, which prefers the marked side. */
    queryBias(): Float32Array {
      const bias = new Float32Array(size);
      bias[mark] = PREFERENCE * Math.sqrt(size) / (2 * gain * normed);
      return bias;
    },
  };
}

/** A table of the same shape with new rows. */
function table(old: HostArray, rowOf: (row: number) => Float32Array): HostArray {
  const [rows, width] = old.shape as [number, number];
  const data = new Float32Array(rows * width);
  for (let row = 0; row < rows; row++) data.set(rowOf(row), row * width);
  return float32(data, [rows, width]);
}

/** The middle of a latent's stretch, as a position of the text. */
const middleOf = (latent: number, stretch: number) => (latent + 0.5) * stretch - 0.5;

/** The decoder's position embeddings, and queries and keys of every layer: [in, 3 out]. */
function alignDecoder(parameters: HostParameters, config: TextVaeConfig): HostParameters {
  const { nEmbd: width, nHead: heads, nLayer, initializerRange: deviation } = config.decoder;
  const prefix = prefixLength(config);
  const stretch = config.maxTokens / prefix;
  const half = positionalAttention({ width, heads, deviation, stretch });
  const name = "decoder.transformer.wpe.weight";
  const aligned: Record<string, HostArray> = {
    [name]: table(
      parameters[name]!,
      (row) =>
        row < prefix ? half.embedding(middleOf(row, stretch), 1) : half.embedding(row - prefix, -1),
    ),
  };
  const weights = half.weights(0);
  const queryBias = half.queryBias();
  for (let layer = 0; layer < nLayer; layer++) {
    const weightName = `decoder.transformer.h.${layer}.attn.c_attn.weight`;
    const biasName = `decoder.transformer.h.${layer}.attn.c_attn.bias`;
    const data = Float32Array.from(parameters[weightName]!.data);
    const biases = Float32Array.from(parameters[biasName]!.data);
    for (let out = 0; out < width; out++) {
      for (let feature = 0; feature < width; feature++) {
        const value = weights[out % half.size]![feature]!;
        data[feature * 3 * width + out] = value;
        data[feature * 3 * width + width + out] = value;
      }
      biases[out] = queryBias[out % half.size]!;
    }
    aligned[weightName] = float32(data, [width, 3 * width]);
    aligned[biasName] = float32(biases, [3 * width]);
  }
  return aligned;
}

/** The same for the encoder, [out, in], whose first positions are the latents'. */
function alignEncoder(parameters: HostParameters, config: TextVaeConfig): HostParameters {
  const { hiddenSize: width, numAttentionHeads: heads, initializerRange: deviation } =
    config.encoder;
  const { latents } = config;
  const stretch = config.maxTokens / latents;
  const half = positionalAttention({ width, heads, deviation, stretch });
  const name = "encoder.embeddings.position_embeddings.weight";
  const aligned: Record<string, HostArray> = {
    [name]: table(
      parameters[name]!,
      // After the latents come [CLS] and then the text.
      (row) =>
        row < latents
          ? half.embedding(middleOf(row, stretch), -1)
          : half.embedding(row - latents - 1, 1),
    ),
  };
  // Each head attends to another token of the stretch; otherwise a latent would hold only their sum.
  const shiftOf = (head: number) => stretch > 1 ? head % stretch - (stretch - 1) / 2 : 0;
  const keys = half.weights(0);
  const queries = Array.from({ length: heads }, (_, head) => half.weights(shiftOf(head)));
  const queryBias = half.queryBias();
  const outputs = Array.from({ length: width }, (_, out) => out);
  const flat = (rows: Float32Array[]) =>
    float32(Float32Array.from(rows.flatMap((row) => [...row])), [width, width]);
  for (let layer = 0; layer < config.encoder.numHiddenLayers; layer++) {
    const part = `encoder.encoder.layer.${layer}.attention.self`;
    aligned[`${part}.query.weight`] = flat(
      outputs.map((out) => queries[Math.floor(out / half.size)]![out % half.size]!),
    );
    aligned[`${part}.key.weight`] = flat(outputs.map((out) => keys[out % half.size]!));
    aligned[`${part}.query.bias`] = float32(
      outputs.map((out) => queryBias[out % half.size]!),
      [width],
    );
  }
  return aligned;
}

/**
 * Aligns fresh weights of `textVaeSpecs(config)`. Replaced are: positions, queries and keys of the
 * decoder, and of the encoder for the source `tokens`; the scale of the adapter; and, if the shapes are
 * the same, the decoder's table of tokens, which becomes a copy of the encoder's, so that copying needs no
 * translation of each token.
 */
export function alignedStart(parameters: HostParameters, config: TextVaeConfig): HostParameters {
  const adapter = parameters["vae.adapter.weight"]!;
  const scale = PREFIX_SCALE * config.decoder.initializerRange / FRESH_PREFIX;
  const encoderTable = parameters["encoder.embeddings.word_embeddings.weight"]!;
  const decoderTable = parameters["decoder.transformer.wte.weight"]!;
  const encoder = config.latentSource === "tokens" ? alignEncoder(parameters, config) : {};
  const sharesTable = encoderTable.shape.join() === decoderTable.shape.join();
  return {
    ...parameters,
    ...encoder,
    ...alignDecoder(parameters, config),
    "vae.adapter.weight": float32(
      Float32Array.from(adapter.data, (weight) => weight * scale),
      adapter.shape,
    ),
    "decoder.transformer.wte.weight": sharesTable
      ? float32(Float32Array.from(encoderTable.data), encoderTable.shape)
      : decoderTable,
  };
}
