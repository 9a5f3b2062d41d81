/** Decodes latents into token ids: greedily, by sampling, or by beam search. */
import type { Device } from "../engine/device.ts";
import * as tf from "../engine/tf.ts";
import type { HostArray } from "../engine/tree.ts";
import { lookup } from "../nn/layers.ts";
import { constants, type HostParameters } from "../nn/parameters.ts";
import type { RandomStream } from "../nn/random.ts";
import { beamSearch } from "./beam_search.ts";
import { tokenTable } from "./gpt2.ts";
import {
  compileGpt2Decoder,
  type DecoderCache,
  type Gpt2Decoder,
  reorderCache,
  takeRows,
} from "./gpt2_decoder.ts";
import { latentPrefix, partOf } from "./text_vae.ts";
import { prefixLength, type TextVaeConfig } from "./text_vae_config.ts";
import { sampleToken, type TokenChoice } from "./token_choice.ts";

/** Decoding by sampling each token. */
export interface SampleDecoding extends Omit<TokenChoice, "keptId"> {
  /** The name of the method. */
  readonly method: "sample";
  /** Random numbers; text i uses `random.at(numbers[i])`. */
  readonly random: RandomStream;
  /** The texts' numbers. @default their indices in the batch */
  readonly numbers?: readonly number[] | undefined;
  /** Whether the end token keeps its probability: see {@linkcode TokenChoice.keptId}. @default false */
  readonly keepEnd?: boolean | undefined;
}

/** Decoding by beam search: see {@linkcode beamSearch}. */
export interface BeamDecoding {
  /** The name of the method. */
  readonly method: "beam";
  /** The number of beams. */
  readonly beams: number;
  /** Above 0, longer texts score better. @default 1 */
  readonly lengthPenalty?: number | undefined;
}

/** How texts are decoded. */
export type DecodingMethod = { readonly method: "greedy" } | SampleDecoding | BeamDecoding;

export interface LatentDecoder {
  /**
   * Decodes latents [B, k, d] into the ids of each text, at most maxTokens, without the end token. Each
   * batch size compiles a graph of its own, so callers should use only one.
   */
  decode(latents: HostArray, method?: DecodingMethod): Promise<number[][]>;
  dispose(): Promise<void>;
}

interface TextLimits {
  readonly endId: number;
  /** Tokens to generate at most, the end token included. */
  readonly count: number;
}

/** Compiles the decoder of a text VAE. @param endId The token that begins and ends a text. */
export function compileLatentDecoder(
  device: Device,
  { parameters, config, endId }: {
    readonly parameters: HostParameters;
    readonly config: TextVaeConfig;
    readonly endId: number;
  },
): LatentDecoder {
  const decoder = partOf(parameters, "decoder.");
  const adapter = Object.fromEntries(
    Object.entries(parameters).filter(([name]) => name.startsWith("vae.adapter")),
  );
  const limits = { endId, count: config.maxTokens + 1 };
  const capacity = prefixLength(config) + limits.count;
  const gpt2 = compileGpt2Decoder(device, decoder, config.decoder, capacity);
  // The latents' embeddings, then the end token's, which begins the text [B, P + 1, width].
  const table = decoder["transformer.wte.weight"]!;
  const startsOf = device.compile<{ latents: HostArray }, { starts: HostArray }>(({ latents }) => {
    const batch = latents.shape[0]!;
    const end = lookup(
      tokenTable(constants({ "transformer.wte.weight": table })),
      tf.fill([batch, 1], endId, "int32"),
    );
    const prefix = latentPrefix(constants(adapter), latents as tf.Tensor3D, config);
    return { starts: tf.concat([prefix, end as tf.Tensor3D], 1) };
  });
  const generate = (starts: HostArray, method: DecodingMethod) => {
    if (method.method === "sample") return sampleTexts(gpt2, starts, limits, method);
    if (method.method === "beam") return searchTexts(gpt2, starts, limits, method);
    return greedyTexts(gpt2, starts, limits);
  };
  return {
    decode: async (latents, method = { method: "greedy" }) => {
      const { starts } = await startsOf({ latents });
      const texts = await generate(starts, method);
      return texts.map((ids) => {
        const end = ids.indexOf(endId);
        return ids.slice(0, end < 0 ? config.maxTokens : end);
      });
    },
    dispose: async () => {
      await gpt2.dispose();
      await startsOf.dispose();
    },
  };
}

async function greedyTexts(
  gpt2: Gpt2Decoder,
  starts: HostArray,
  { endId, count }: TextLimits,
): Promise<number[][]> {
  const tokens = await gpt2.greedy(starts, count, { endId });
  return Array.from(
    { length: starts.shape[0]! },
    (_, row) => [...tokens.subarray(row * count, (row + 1) * count)],
  );
}

async function sampleTexts(
  gpt2: Gpt2Decoder,
  starts: HostArray,
  { endId, count }: TextLimits,
  { random, numbers, keepEnd = false, ...options }: SampleDecoding,
): Promise<number[][]> {
  const choice = { ...options, keptId: keepEnd ? endId : undefined };
  const { cache, logits: first } = await gpt2.begin(starts);
  const texts: number[][] = Array.from({ length: cache.batch }, () => []);
  let logits = first;
  for (let length = 0; length < count; length++) {
    const size = logits.length / cache.batch;
    const tokens = Int32Array.from(texts, (text, row) => {
      // Each text has its own stream, so that it does not depend on the rest of the batch.
      const stream = random.at(numbers?.[row] ?? row).at(length);
      const token = text.includes(endId)
        ? endId
        : sampleToken(logits.subarray(row * size, (row + 1) * size), choice, stream);
      text.push(token);
      return token;
    });
    if (length + 1 === count || texts.every((text) => text.includes(endId))) break;
    logits = await gpt2.next(cache, tokens);
  }
  return texts;
}

async function searchTexts(
  gpt2: Gpt2Decoder,
  starts: HostArray,
  { endId, count }: TextLimits,
  { beams, lengthPenalty }: BeamDecoding,
): Promise<number[][]> {
  const batch = starts.shape[0]!;
  const repeated = Array.from({ length: batch * beams }, (_, row) => Math.floor(row / beams));
  let cache: DecoderCache;
  return await beamSearch(
    { batch, beams, endId, lengthPenalty, maxTokens: count },
    async () => {
      const begun = await gpt2.begin(takeRows(starts, repeated));
      cache = begun.cache;
      return begun.logits;
    },
    (rows, tokens) => {
      cache = reorderCache(cache, rows);
      return gpt2.next(cache, tokens);
    },
  );
}
