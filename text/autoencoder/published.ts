/** `--encoder-from` and `--decoder-from` of text.ts: an encoder or a decoder with published weights. */
import { usageError, UserError } from "../../base/errors.ts";
import { jsonDifferences, type JsonObject } from "../../base/json.ts";
import type { HostParameters } from "../../nn/parameters.ts";
import type { BertConfig } from "../../vae/bert.ts";
import type { Gpt2Config } from "../../vae/gpt2.ts";
import { loadBert, loadGpt2, type ModelFiles } from "../../vae/pretrained.ts";
import { openModelFiles } from "../../datasets/download/hub.ts";
import { underPrefix } from "../../vae/text_vae.ts";
import type { TextVaeConfig } from "../../vae/text_vae_config.ts";
import type { TextTokenizer } from "../../vae/tokenizer/tokenizer.ts";
import { loadTokenizer } from "../../vae/tokenizer/files.ts";
import type { SpecialRole } from "../../vae/tokenizer/special.ts";
import { kebabCase } from "../../cli/flags.ts";
import type { DataOrigin } from "../../cli/run_record.ts";
import type { TextConfig, TextFlags } from "../settings.ts";
import { weightsOrigin } from "../../training/checkpoint/weights_identity.ts";

/** A published model for one half of a text VAE. */
export interface PublishedHalf<Config extends BertConfig | Gpt2Config> {
  readonly config: Config;
  readonly tokenizer: TextTokenizer;
  readonly origin: DataOrigin; // weights, for the run's record
  /** Reads the weights again, named as in `textVaeSpecs`: they are too large to be kept. */
  readonly parameters: () => Promise<HostParameters>;
}

/** The halves with published weights. */
export interface PublishedHalves {
  readonly encoder?: PublishedHalf<BertConfig>;
  readonly decoder?: PublishedHalf<Gpt2Config>;
}

/** Special tokens that each half's tokenizer must have. */
const NEEDS: Record<keyof PublishedHalves, readonly SpecialRole[]> = {
  encoder: ["pad", "cls", "sep", "mask"],
  decoder: ["eos"],
};

async function openHalf<Config extends BertConfig | Gpt2Config>(
  half: keyof PublishedHalves,
  reference: string,
  load: (files: ModelFiles) => Promise<{ config: Config; parameters: HostParameters }>,
  log: (line: string) => void,
): Promise<PublishedHalf<Config>> {
  const files = await openModelFiles(reference, { log });
  const { config, parameters } = await load(files);
  const origin = weightsOrigin(`starting weights of the ${half}`, files.name, parameters);
  const tokenizer = await loadTokenizer(files.name, { needs: NEEDS[half], read: files.read });
  if (tokenizer.vocabSize > config.vocabSize) {
    throw new UserError(
      `${files.name} has ${tokenizer.vocabSize} tokens and embeddings of ${config.vocabSize}: ` +
        "tokenizer and model belong to different models",
    );
  }
  return {
    config,
    tokenizer,
    origin,
    parameters: async () => underPrefix((await load(files)).parameters, `${half}.`),
  };
}

function isPublished(reference: string | undefined): reference is string {
  return reference !== undefined && reference !== "none";
}

/** Opens the published halves that a configuration names. */
export async function openPublished(
  { encoderFrom, decoderFrom }: Pick<TextConfig, "encoderFrom" | "decoderFrom">,
  log: (line: string) => void = () => {},
): Promise<PublishedHalves> {
  return {
    ...isPublished(encoderFrom) &&
      { encoder: await openHalf("encoder", encoderFrom, loadBert, log) },
    ...isPublished(decoderFrom) &&
      { decoder: await openHalf("decoder", decoderFrom, loadGpt2, log) },
  };
}

export function configsOf(
  { encoder, decoder }: PublishedHalves,
): Partial<Pick<TextVaeConfig, "encoder" | "decoder">> {
  return {
    ...encoder && { encoder: encoder.config },
    ...decoder && { decoder: decoder.config },
  };
}

/** The settings that the configurations of halves fix. */
export function sizesOf(
  { encoder, decoder }: Partial<Pick<TextVaeConfig, "encoder" | "decoder">>,
): Partial<TextConfig> {
  return {
    ...encoder && {
      encoderLayers: encoder.numHiddenLayers,
      encoderWidth: encoder.hiddenSize,
      encoderHeads: encoder.numAttentionHeads,
    },
    ...decoder && {
      decoderLayers: decoder.nLayer,
      decoderWidth: decoder.nEmbd,
      decoderHeads: decoder.nHead,
    },
  };
}

/** The settings that published halves fix. */
export function settingsOfPublished(halves: PublishedHalves): Partial<TextConfig> {
  const { encoder, decoder } = halves;
  return {
    ...sizesOf(configsOf(halves)),
    // With two published tokenizers, no vocabulary is learned.
    ...encoder && decoder && { vocabSize: decoder.tokenizer.vocabSize },
  };
}

/** Refuses a flag that contradicts the settings that the starting model `where` fixes. */
export function checkFixedSettings(
  given: TextFlags,
  fixed: Partial<TextConfig>,
  where: string,
): void {
  const flags = Object.keys(fixed).map((key) => [key, given[key as keyof TextFlags]]);
  const [difference] = jsonDifferences(
    Object.fromEntries(flags) as JsonObject,
    fixed as JsonObject,
  ).filter(({ left }) => left !== undefined);
  if (difference === undefined) return;
  const { key, left, right } = difference;
  throw usageError(
    `--${kebabCase(key)} ${left}: the model of ${where} has ${right}, which cannot be changed; ` +
      "leave the flag out",
  );
}

/** Refuses settings that cannot be used with published halves, which have different tokenizers. */
export function checkPublishedSettings(config: TextConfig, given: TextFlags): void {
  const flags = (["encoderFrom", "decoderFrom"] as const)
    .filter((key) => isPublished(config[key])).map((key) => `--${kebabCase(key)}`);
  const [flag] = flags;
  if (flag === undefined) return;
  if (config.startFrom !== undefined) {
    const [other, instead] = given.startFrom === undefined
      ? ["this preset", "use --preset small or base"]
      : ["--start-from", "leave one of them out"];
    throw usageError(
      `${flag} is not for ${other}, which starts with a whole autoencoder: ${instead}.`,
    );
  }
  if (isPublished(config.decoderFrom) && config.initialization === "aligned") {
    throw usageError(
      "--decoder-from is not for --initialization aligned, which would replace its weights: use " +
        "--initialization random.",
    );
  }
  for (const key of ["randomTexts", "copySteps"] as const) {
    if (config[key] === 0) continue;
    throw usageError(
      `--${kebabCase(key)} ${
        config[key]
      } is not for ${flag}: random tokens of one half's tokenizer ` +
        "mean nothing to the other's. Set it to 0.",
    );
  }
}
