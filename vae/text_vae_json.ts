/** The config.json of a text VAE: what the configs of its encoder and decoder do not contain. */
import { inFile } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
import { modelConfigReader } from "./model_config.ts";
import {
  checkTextVaeConfig,
  LATENT_KINDS,
  LATENT_SOURCES,
  type TextVaeConfig,
} from "./text_vae_config.ts";

/** The content of a text VAE's config.json. */
export function textVaeToJson(config: TextVaeConfig): JsonObject {
  return {
    _class_name: "TextVae",
    latents: config.latents,
    latent_width: config.latentWidth,
    max_tokens: config.maxTokens,
    latent_kind: config.latentKind,
    latent_source: config.latentSource,
    ...(config.decoderNoise === undefined ? {} : { decoder_noise: config.decoderNoise }),
  };
}

/**
 * Reads a text VAE's config.json.
 *
 * @param json The content.
 * @param parts The encoder and the decoder.
 * @param source The file's name in messages.
 * @throws {UserError} If a value is out of its range, or the parts do not fit each other.
 */
export function textVaeFromJson(
  json: JsonObject,
  parts: Pick<TextVaeConfig, "encoder" | "decoder">,
  source: string,
): TextVaeConfig {
  const read = modelConfigReader(json, source);
  read.only("_class_name", "TextVae");
  const config = {
    ...parts,
    latents: read.count("latents", 1),
    latentWidth: read.count("latent_width", 1),
    maxTokens: read.count("max_tokens", 1),
    latentKind: read.choice("latent_kind", LATENT_KINDS),
    latentSource: read.choice("latent_source", LATENT_SOURCES),
    decoderNoise: read.notNegative("decoder_noise", 0),
  };
  inFile(source, () => checkTextVaeConfig(config, { maxTokens: "max_tokens" }));
  return config;
}
