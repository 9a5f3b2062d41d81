/** Texts from latents. */
import type { Device } from "../engine/device.ts";
import * as tf from "../engine/tf.ts";
import { float32, type HostArray } from "../engine/tree.ts";
import { lookup } from "../nn/lookup.ts";
import { constants, type HostParameters } from "../nn/parameters.ts";
import type { RandomStream } from "../nn/random.ts";
import { beamSearch } from "./beam_search.ts";
import { tokenTable } from "./gpt2.ts";
import { compileGpt2Decoder, type DecoderCache, reorderCache } from "./gpt2_decoder.ts";
import { latentPrefix, partOf } from "./text_vae.ts";
import { prefixLength, type TextVaeConfig } from "./text_vae_config.ts";
import { drawToken, type TokenChoice } from "./token_choice.ts";

/** Texts that are drawn token by token. */
export interface DrawnTexts extends Omit<TokenChoice, "keptId"> {
  /** Which method this is. */
  readonly method: "sample";
  /** Where the draws come from: a stream for each text, by its number. */
  readonly random: RandomStream;
  /** The texts' numbers. @default their places, from 0 */
  readonly numbers?: readonly number[];
  /** Whether a text's end stays as likely as the decoder finds it: see keptId. @default false */
  readonly keepEnd?: boolean;
}

/** How texts are decoded: greedily, by drawing, or by beam search. */
export type DecodingMethod =
  | { readonly method: "greedy" }
  | DrawnTexts
  | { readonly method: "beam"; readonly beams: number; readonly lengthPenalty?: number };

/** A text VAE's decoder. */
export interface LatentDecoder {
  /**
   * Decodes latents. A graph is made for every number of texts: keep to one.
   *
   * @param latents [B, k, d]
   * @returns Each text's ids, without the end token; at most maxTokens.
   */
  decode(latents: HostArray, method?: DecodingMethod): Promise<number[][]>;
  /** Releases its graphs. */
  dispose(): Promise<void>;
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
  const own = Object.fromEntries(
    Object.entries(parameters).filter(([name]) => name.startsWith("vae.adapter")),
  );
  const count = config.maxTokens + 1;
  const gpt2 = compileGpt2Decoder(device, decoder, config.decoder, prefixLength(config) + count);
  // The latents' embeddings, then the end token's, which begins the text [B, P + 1, width].
  const table = decoder["transformer.wte.weight"]!;
  const starts = device.compile<{ latents: HostArray }, { starts: HostArray }>(({ latents }) => {
    const batch = latents.shape[0]!;
    const end = lookup(
      tokenTable(constants({ "transformer.wte.weight": table })),
      tf.fill([batch, 1], endId, "int32"),
    );
    const prefix = latentPrefix(constants(own), latents as tf.Tensor3D, config);
    return { starts: tf.concat([prefix, end as tf.Tensor3D], 1) };
  });
  const greedy = async (embeddings: HostArray) => {
    const tokens = await gpt2.greedy(embeddings, count, { endId });
    const batch = embeddings.shape[0]!;
    return Array.from(
      { length: batch },
      (_, row) => textOf(tokens.subarray(row * count, (row + 1) * count), endId, config.maxTokens),
    );
  };
  const sample = async (
    embeddings: HostArray,
    { random, numbers, keepEnd = false, ...choice }: DrawnTexts,
  ) => {
    const kept = keepEnd ? { ...choice, keptId: endId } : choice;
    const { cache, logits: first } = await gpt2.begin(embeddings);
    const said: number[][] = Array.from({ length: cache.batch }, () => []);
    let logits = first;
    for (let made = 0; made < count; made++) {
      const size = logits.length / cache.batch;
      const tokens = Int32Array.from(said, (text, row) => {
        // A stream for each text: what one says does not depend on its neighbours.
        const draws = random.at(numbers?.[row] ?? row).at(made);
        const drawn = text.includes(endId)
          ? endId
          : drawToken(logits.subarray(row * size, (row + 1) * size), kept, draws);
        text.push(drawn);
        return drawn;
      });
      if (made + 1 === count || said.every((text) => text.includes(endId))) break;
      logits = await gpt2.next(cache, tokens);
    }
    return said.map((text) => textOf(text, endId, config.maxTokens));
  };
  const beam = async (embeddings: HostArray, beams: number, lengthPenalty: number | undefined) => {
    const batch = embeddings.shape[0]!;
    const repeated = Array.from({ length: batch * beams }, (_, row) => Math.floor(row / beams));
    let cache: DecoderCache;
    return await beamSearch(
      {
        ...{ batch, beams, endId, maxTokens: count },
        ...(lengthPenalty === undefined ? {} : { lengthPenalty }),
      },
      async () => {
        const begun = await gpt2.begin(takeRows(embeddings, repeated));
        cache = begun.cache;
        return begun.logits;
      },
      (rows, tokens) => {
        cache = reorderCache(cache, rows);
        return gpt2.next(cache, tokens);
      },
    ).then((texts) => texts.map((text) => textOf(text, endId, config.maxTokens)));
  };
  return {
    decode: async (latents, method = { method: "greedy" }) => {
      const { starts: embeddings } = await starts({ latents });
      if (method.method === "sample") return await sample(embeddings, method);
      if (method.method === "beam") {
        return await beam(embeddings, method.beams, method.lengthPenalty);
      }
      return await greedy(embeddings);
    },
    dispose: async () => {
      await gpt2.dispose();
      await starts.dispose();
    },
  };
}

/** What stands before the end token. */
function textOf(ids: ArrayLike<number>, endId: number, maxTokens: number): number[] {
  const all = Array.from(ids);
  const end = all.indexOf(endId);
  return all.slice(0, end < 0 ? maxTokens : end);
}

/** Rows of an array, which may repeat. */
function takeRows({ data, shape }: HostArray, rows: readonly number[]): HostArray {
  const size = data.length / shape[0]!;
  const taken = new Float32Array(rows.length * size);
  rows.forEach((row, i) => taken.set(data.subarray(row * size, (row + 1) * size), i * size));
  return float32(taken, [rows.length, ...shape.slice(1)]);
}
