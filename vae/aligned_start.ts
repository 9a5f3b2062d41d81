/**
 * Initial weights with which the decoder finds, from the first step on, the latents that are about the
 * token to be said. With random ones it has to find out first where each latent belongs, and by then
 * it has learned to do without: it ends as a language model that ignores its prefix. Every learned
 * thing stays learned; what is set here is where attention looks before training, in weights whose
 * names and shapes are BERT's and GPT-2's (mimetic initialization: Trockman and Kolter 2023,
 * arXiv:2305.09828, set queries and keys alike for the same reason).
 *
 * Positions are sinusoids in the first features of an embedding, as many as a head has. Their
 * frequencies are evenly spaced, not in geometric progression as in Vaswani et al. 2017: the product of
 * two positions is then about sinc(distance), which has one narrow peak. Queries and keys read these
 * features alone, so a head looks where the position is its own. One more feature marks the side that
 * is to be looked at (latents in the decoder, tokens in the encoder) and queries ask for it.
 */
import { float32, type HostArray } from "../engine/tree.ts";
import type { HostParameters } from "../nn/parameters.ts";
import { prefixLength, stretchOf, type TextVaeConfig } from "./text_vae_config.ts";

/** Options of {@linkcode alignedStart}. */
export interface AlignedStartOptions {
  /** The score of a position that is one's own less that of a far one. @default 10 */
  readonly sharpness?: number;
  /** The score of the side that is to be looked at less that of the other. @default 6 */
  readonly preference?: number;
}

/** The prefix's deviation in those of the token embeddings, so that places are not drowned by it. */
const PREFIX_LOUDNESS = 2;

/** The deviation of the prefix with the weights of a fresh linear layer, and latents of tanh. */
const FRESH_PREFIX = 0.29;

/** Weights of one half of the model. */
interface Half {
  readonly width: number;
  readonly heads: number;
  /** The deviation of its token embeddings. */
  readonly deviation: number;
  /** Tokens from one latent to the next: positions nearer than half of it count as the same. */
  readonly stretch: number;
}

/** What makes one half's attention look at places. */
function routing({ width, heads, deviation, stretch }: Half, options: AlignedStartOptions) {
  const { sharpness = 10, preference = 6 } = options;
  const size = width / heads;
  const pairs = Math.floor(size / 2) - 1;
  if (pairs < 1) {
    throw new RangeError(`a head of ${size} features has no room for positions: it takes 4`);
  }
  const top = Math.min(Math.PI, 2 * Math.PI / stretch);
  const frequencies = Array.from({ length: pairs }, (_, i) => top * (i + 0.5) / pairs);
  // As loud, over all features, as the token embeddings they are added to.
  const amplitude = deviation * Math.sqrt(2 * width / size);
  const normed = amplitude / Math.hypot(deviation, deviation); // behind the layer norm
  const gain = Math.sqrt(sharpness * Math.sqrt(size) / pairs) / normed;
  const mark = size - 1;
  return {
    size,
    /** The embedding of a position, which need not be whole; `side` is 1 where one is to look. */
    place(position: number, side: 1 | -1): Float32Array {
      const row = new Float32Array(width);
      frequencies.forEach((frequency, i) => {
        row[2 * i] = amplitude * Math.sin(frequency * position);
        row[2 * i + 1] = amplitude * Math.cos(frequency * position);
      });
      row[mark] = side * amplitude;
      return row;
    },
    /** Weights [feature of a head][feature] that read a position as one that is `shift` further on. */
    reading(shift: number): Float32Array[] {
      const rows = Array.from({ length: size }, () => new Float32Array(width));
      frequencies.forEach((frequency, i) => {
        const [cos, sin] = [Math.cos(frequency * shift), Math.sin(frequency * shift)];
        rows[2 * i]!.set([gain * cos, gain * sin], 2 * i);
        rows[2 * i + 1]!.set([-gain * sin, gain * cos], 2 * i);
      });
      rows[mark]![mark] = gain;
      return rows;
    },
    /** The query's bias [feature of a head]: it asks for the marked side. */
    asking(): Float32Array {
      const bias = new Float32Array(size);
      bias[mark] = preference * Math.sqrt(size) / (2 * gain * normed);
      return bias;
    },
  };
}

/** A table of the same shape with other rows. */
function table(old: HostArray, rowOf: (row: number) => Float32Array): HostArray {
  const [rows, width] = old.shape as [number, number];
  const data = new Float32Array(rows * width);
  for (let row = 0; row < rows; row++) data.set(rowOf(row), row * width);
  return float32(data, [rows, width]);
}

/** The decoder's position embeddings, and queries and keys of every layer: [in, 3 out]. */
function alignDecoder(
  parameters: HostParameters,
  config: TextVaeConfig,
  options: AlignedStartOptions,
): HostParameters {
  const { nEmbd: width, nHead: heads, nLayer, initializerRange: deviation } = config.decoder;
  const prefix = prefixLength(config);
  const stretch = config.maxTokens / prefix;
  const { size, place, reading, asking } = routing({ width, heads, deviation, stretch }, options);
  const middle = (latent: number) => (latent + 0.5) * stretch - 0.5;
  const name = "decoder.transformer.wpe.weight";
  const aligned: Record<string, HostArray> = {
    [name]: table(
      parameters[name]!,
      (row) => row < prefix ? place(middle(row), 1) : place(row - prefix, -1),
    ),
  };
  const [rows, bias] = [reading(0), asking()];
  for (let layer = 0; layer < nLayer; layer++) {
    const { weight, bias: biasName } = {
      weight: `decoder.transformer.h.${layer}.attn.c_attn.weight`,
      bias: `decoder.transformer.h.${layer}.attn.c_attn.bias`,
    };
    const data = Float32Array.from(parameters[weight]!.data);
    const biases = Float32Array.from(parameters[biasName]!.data);
    for (let out = 0; out < width; out++) {
      for (let feature = 0; feature < width; feature++) {
        const value = rows[out % size]![feature]!;
        data[feature * 3 * width + out] = value;
        data[feature * 3 * width + width + out] = value;
      }
      biases[out] = bias[out % size]!;
    }
    aligned[weight] = float32(data, [width, 3 * width]);
    aligned[biasName] = float32(biases, [3 * width]);
  }
  return aligned;
}

/** The same of the encoder, [out, in], for latents read at tokens of their own. */
function alignEncoder(
  parameters: HostParameters,
  config: TextVaeConfig,
  options: AlignedStartOptions,
): HostParameters {
  const { hiddenSize: width, numAttentionHeads: heads, initializerRange: deviation } =
    config.encoder;
  const { latents } = config;
  const stretch = stretchOf(config);
  const { size, place, reading, asking } = routing({ width, heads, deviation, stretch }, options);
  const middle = (latent: number) => (latent + 0.5) * stretch - 0.5;
  const name = "encoder.embeddings.position_embeddings.weight";
  const aligned: Record<string, HostArray> = {
    [name]: table(
      parameters[name]!,
      // After the latents come [CLS] and then the text.
      (row) => row < latents ? place(middle(row), -1) : place(row - latents - 1, 1),
    ),
  };
  const bias = asking();
  const keys = reading(0);
  // Each head looks at another token of the stretch, or a latent would be about their sum.
  const shiftOf = (head: number) => stretch > 1 ? head % stretch - (stretch - 1) / 2 : 0;
  const queries = Array.from({ length: heads }, (_, head) => reading(shiftOf(head)));
  for (let layer = 0; layer < config.encoder.numHiddenLayers; layer++) {
    const part = `encoder.encoder.layer.${layer}.attention.self`;
    const outputs = Array.from({ length: width }, (_, out) => out);
    const flat = (rows: Float32Array[]) =>
      float32(Float32Array.from(rows.flatMap((row) => [...row])), [width, width]);
    aligned[`${part}.query.weight`] = flat(
      outputs.map((out) => queries[Math.floor(out / size)]![out % size]!),
    );
    aligned[`${part}.key.weight`] = flat(outputs.map((out) => keys[out % size]!));
    aligned[`${part}.query.bias`] = float32(outputs.map((out) => bias[out % size]!), [width]);
  }
  return aligned;
}

/**
 * Replaces what is to be aligned among fresh weights: positions, queries and keys of the decoder, and of
 * the encoder for the source `tokens`; the scale of the adapter; and, where shapes allow, the
 * decoder's table of tokens, which starts as the encoder's, so that what is copied need not be
 * translated for each token.
 *
 * @param parameters Fresh ones of `textVaeSpecs(config)`. They are not changed.
 * @param config The model.
 * @param options How sharply heads look.
 * @throws {RangeError} If heads have fewer than 4 features.
 */
export function alignedStart(
  parameters: HostParameters,
  config: TextVaeConfig,
  options: AlignedStartOptions = {},
): HostParameters {
  const adapter = parameters["vae.adapter.weight"]!;
  const loudness = PREFIX_LOUDNESS * config.decoder.initializerRange / FRESH_PREFIX;
  const words = parameters["encoder.embeddings.word_embeddings.weight"]!;
  const said = parameters["decoder.transformer.wte.weight"]!;
  return {
    ...parameters,
    ...(config.latentSource === "tokens" ? alignEncoder(parameters, config, options) : {}),
    ...alignDecoder(parameters, config, options),
    "vae.adapter.weight": float32(
      Float32Array.from(adapter.data, (weight) => weight * loudness),
      adapter.shape,
    ),
    ...(words.shape.join() === said.shape.join()
      ? {
        "decoder.transformer.wte.weight": float32(Float32Array.from(words.data), words.shape),
      }
      : {}),
  };
}
