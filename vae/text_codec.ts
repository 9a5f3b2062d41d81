/** Texts to latents and back, with the weights of a trained text VAE. */
import type { Device, OnDevice } from "../engine/device.ts";
import * as tf from "../engine/tf.ts";
import { float32, type HostArray } from "../engine/tree.ts";
import { lookup } from "../nn/lookup.ts";
import { constants, type HostParameters } from "../nn/parameters.ts";
import { tokenTable } from "./gpt2.ts";
import { compileGpt2Decoder } from "./gpt2_decoder.ts";
import { encodeLatents, latentPrefix, partOf } from "./text_vae.ts";
import { prefixLength, type TextVaeConfig } from "./text_vae_config.ts";

/** A text VAE ready for use. */
export interface TextCodec {
  /**
   * Texts as latents: their means.
   *
   * @param inputs [CLS], the text, [SEP] and padding, and what is no padding, both [B, L], int32.
   * @returns [B, k, d]
   */
  encode(inputs: EncodedInputs): Promise<HostArray>;
  /**
   * Says what latents mean, one likeliest token after the other.
   *
   * @param latents [B, k, d]
   * @returns For each text its tokens, without the end token.
   */
  decode(latents: HostArray): Promise<Int32Array[]>;
  /** Releases its graphs. */
  dispose(): Promise<void>;
}

/** What {@linkcode TextCodec.encode} takes. */
export interface EncodedInputs {
  /** [B, L], int32. */
  readonly inputIds: HostArray;
  /** 1 for tokens, 0 for padding [B, L], int32. */
  readonly attentionMask: HostArray;
}

/** A trained text VAE. */
export interface TextVaeModel {
  /** Its sizes. */
  readonly config: TextVaeConfig;
  /** Its weights, as `textVaeSpecs(config)` names them. */
  readonly parameters: HostParameters;
}

/**
 * Compiles both directions.
 *
 * @param endId The token that begins and ends the decoder's text.
 */
export function compileTextCodec(
  device: Device,
  { config, parameters }: TextVaeModel,
  endId: number,
): TextCodec {
  const decoderWeights = partOf(parameters, "decoder.");
  const encoderWeights = Object.fromEntries(
    Object.entries(parameters).filter(([name]) => !name.startsWith("decoder.")),
  );
  type Inputs = { inputIds: HostArray; attentionMask: HostArray };
  const encode = device.compile<Inputs, HostArray>(
    ({ inputIds, attentionMask }: OnDevice<Inputs>) =>
      encodeLatents(constants(encoderWeights), {
        inputIds: inputIds as tf.Tensor2D,
        attentionMask: attentionMask as tf.Tensor2D,
      }, config).mean,
  );
  const starts = device.compile<HostArray, HostArray>((latents: tf.Tensor) => {
    const adapter = Object.fromEntries(
      Object.entries(parameters).filter(([name]) => name.startsWith("vae.adapter.")),
    );
    const table = { "transformer.wte.weight": decoderWeights["transformer.wte.weight"]! };
    const prefix = latentPrefix(constants(adapter), latents as tf.Tensor3D, config);
    const end = tf.fill([latents.shape[0]!, 1], endId, "int32");
    return tf.concat([prefix, lookup(tokenTable(constants(table)), end)], 1); // [B, P + 1, width]
  });
  const count = config.maxTokens + 1; // the end token, too
  const decoder = compileGpt2Decoder(
    device,
    decoderWeights,
    config.decoder,
    prefixLength(config) + count,
  );
  return {
    encode: (inputs) => encode({ ...inputs }),
    decode: async (latents) => {
      const tokens = await decoder.greedy(await starts(latents), count);
      return Array.from({ length: latents.shape[0]! }, (_, row) => {
        const text = tokens.subarray(row * count, (row + 1) * count);
        const end = text.indexOf(endId);
        return text.slice(0, end < 0 ? count : end);
      });
    },
    dispose: async () => {
      await Promise.all([encode.dispose(), starts.dispose(), decoder.dispose()]);
    },
  };
}

/** Latents [B, k, d] with noise of a fixed deviation added. @param noise Standard normal, as many. */
export function noisedLatents(
  { data, shape }: HostArray,
  noise: Float32Array,
  deviation: number,
): HostArray {
  return float32(Float32Array.from(data, (value, i) => value + deviation * noise[i]!), shape);
}
