/** Encodes texts into latents and decodes them, with the weights of a trained text VAE. */
import type { Device } from "../engine/device.ts";
import type * as tf from "../engine/tf.ts";
import { float32, type HostArray } from "../engine/tree.ts";
import { constants, type HostParameters } from "../nn/parameters.ts";
import { compileLatentDecoder, type DecodingMethod } from "./latent_decoder.ts";
import { encodeLatents } from "./text_vae.ts";
import type { TextVaeConfig } from "./text_vae_config.ts";

/** A text VAE ready for use. */
export interface TextCodec {
  /** Encodes texts into the means of their latents [B, k, d]. */
  encode(inputs: EncodedInputs): Promise<HostArray>;
  /** Decodes latents [B, k, d], greedily by default, into the tokens of each text without the end token. */
  decode(latents: HostArray, method?: DecodingMethod): Promise<Int32Array[]>;
  /** Releases its graphs. */
  dispose(): Promise<void>;
}

/** The inputs of {@linkcode TextCodec.encode}. */
export interface EncodedInputs {
  /** [CLS], the text, [SEP] and padding [B, L], int32. */
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

/** Compiles both directions. The token `endId` begins and ends the decoder's text. */
export function compileTextCodec(
  device: Device,
  { config, parameters }: TextVaeModel,
  endId: number,
): TextCodec {
  const encoderWeights = Object.fromEntries(
    Object.entries(parameters).filter(([name]) => !name.startsWith("decoder.")),
  );
  type Inputs = { inputIds: HostArray; attentionMask: HostArray };
  const encode = device.compile<Inputs, HostArray>(
    ({ inputIds, attentionMask }) =>
      encodeLatents(constants(encoderWeights), {
        inputIds: inputIds as tf.Tensor2D,
        attentionMask: attentionMask as tf.Tensor2D,
      }, config).mean,
  );
  const decoder = compileLatentDecoder(device, { config, parameters, endId });
  return {
    encode: (inputs) => encode({ ...inputs }),
    decode: async (latents, method) => {
      const texts = await decoder.decode(latents, method);
      return texts.map((text) => Int32Array.from(text));
    },
    dispose: async () => {
      await Promise.all([encode.dispose(), decoder.dispose()]);
    },
  };
}

/** Adds noise of a fixed deviation to latents [B, k, d]. @param noise Standard normal [B * k * d]. */
export function noisedLatents(
  { data, shape }: HostArray,
  noise: Float32Array,
  deviation: number,
): HostArray {
  return float32(Float32Array.from(data, (value, i) => value + deviation * noise[i]!), shape);
}
