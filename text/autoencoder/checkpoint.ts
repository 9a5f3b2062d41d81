/**
 * Checkpoints of a text VAE. Encoder and decoder are in transformers' layout:
 * `BertModel.from_pretrained(checkpoint + "/encoder")`, `GPT2LMHeadModel.from_pretrained(... "/decoder")`,
 * `AutoTokenizer.from_pretrained(... "/tokenizer")`. The VAE does not use BERT's pooler; it is saved as
 * zeros so that BertModel finds all its weights.
 */
import { UserError } from "../../base/errors.ts";
import { fileExists } from "../../base/files.ts";
import { type JsonObject, parseJsonObject } from "../../base/json.ts";
import type { NamedTensors } from "../../nn/host_tensor.ts";
import { type HostParameters, unravel } from "../../nn/parameters.ts";
import { zeroPooler } from "../../vae/bert.ts";
import {
  bertConfigFromJson,
  bertConfigToJson,
  gpt2ConfigFromJson,
  gpt2ConfigToJson,
  textVaeFromJson,
  textVaeToJson,
} from "../../vae/config_json.ts";
import { partOf, textVaeSpecs, underPrefix } from "../../vae/text_vae.ts";
import type { TextVaeConfig } from "../../vae/text_vae_config.ts";
import { TextTokenizer } from "../../vae/tokenizer/tokenizer.ts";
import type { SpecialRole } from "../../vae/tokenizer/special.ts";
import { checkWeights, requireComponent } from "../../training/checkpoint/check_model.ts";
import {
  type Checkpoint,
  type Component,
  loadCheckpoint,
  type LoadedCheckpoint,
} from "../../training/checkpoint/checkpoint.ts";
import { resolveCheckpoint } from "../../training/checkpoint/folders.ts";
import type { TrainState } from "../../training/step.ts";
import { stateTensors, toParameters, toTensors } from "../../training/checkpoint/state_tensors.ts";
import { weightsHash } from "../../training/checkpoint/weights_identity.ts";

export interface TextVaeCheckpointOptions {
  readonly config: TextVaeConfig;
  readonly tokenizer: TextTokenizer;
  readonly encoderTokenizer?: TextTokenizer; // encoder's tokenizer; the decoder's by default
  readonly state: TrainState;
  readonly step: number;
  readonly seed: number;
  readonly configHash: string;
  readonly details?: JsonObject;
}

const [ENCODER, DECODER, VAE] = ["encoder.", "decoder.", "vae."] as const;

function tokenizerComponent(tokenizer: TextTokenizer): Component {
  const files = new Map(tokenizer.files());
  const configName = "tokenizer_config.json";
  const config = new TextDecoder().decode(files.get(configName));
  files.delete(configName);
  return { config: parseJsonObject(config, configName), configName, files };
}

/** The components of a checkpoint, without a training state. An encoder's own tokenizer is one more. */
export function textVaeComponents(
  config: TextVaeConfig,
  tokenizer: TextTokenizer,
  parameters: HostParameters,
  encoderTokenizer: TextTokenizer = tokenizer,
): Pick<Checkpoint, "modelIndex" | "components"> {
  const { encoder, decoder } = config;
  const weightsName = "model.safetensors";
  const own = encoderTokenizer !== tokenizer;
  return {
    modelIndex: {
      _class_name: "TextVae",
      encoder: ["transformers", "BertModel"],
      decoder: ["transformers", "GPT2LMHeadModel"],
      tokenizer: ["transformers", "PreTrainedTokenizerFast"],
      ...(own ? { encoder_tokenizer: ["transformers", "PreTrainedTokenizerFast"] } : {}),
      vae: ["nanodiffusion", "TextVae"],
    },
    components: {
      encoder: {
        config: bertConfigToJson(encoder, { padId: encoderTokenizer.id("pad") }),
        weightsName,
        weights: toTensors({
          ...partOf(parameters, ENCODER),
          ...zeroPooler(encoder),
        }),
      },
      decoder: {
        config: gpt2ConfigToJson(decoder, { endId: tokenizer.id("eos") }),
        weightsName,
        weights: toTensors(partOf(parameters, DECODER)),
      },
      tokenizer: tokenizerComponent(tokenizer),
      ...(own ? { encoder_tokenizer: tokenizerComponent(encoderTokenizer) } : {}),
      vae: {
        config: textVaeToJson(config),
        weightsName,
        weights: toTensors(partOf(parameters, VAE)),
      },
    },
  };
}

/** Builds a checkpoint. Its weights are the moving average. */
export function textVaeCheckpoint(
  { config, tokenizer, encoderTokenizer, state, ...run }: TextVaeCheckpointOptions,
): Checkpoint & Required<Pick<Checkpoint, "state">> {
  const average = unravel(state.ema, textVaeSpecs(config));
  return {
    ...textVaeComponents(config, tokenizer, average, encoderTokenizer),
    state: { ...run, vectors: stateTensors(state) },
  };
}

/** A text VAE from a checkpoint. */
export interface LoadedTextVae {
  /** The configuration. */
  readonly config: TextVaeConfig;
  /** The weights: the moving average. */
  readonly parameters: HostParameters;
  /** The decoder's tokenizer. */
  readonly tokenizer: TextTokenizer;
  /** The encoder's tokenizer, which may be the decoder's. */
  readonly encoderTokenizer: TextTokenizer;
}

/** A text VAE that a run uses. */
export interface OpenedTextVae extends LoadedTextVae {
  /** SHA-256 of the weights, which identifies the autoencoder: see {@linkcode weightsHash}. */
  readonly hash: string;
  /** SHA-256 of the weights that make latents; it does not depend on the decoder. */
  readonly latentsHash: string;
}

/** The parameters that latents depend on: all but those of the decoder and of its input layer. */
export const MAKES_LATENTS = /^(?!decoder\.|vae\.adapter\.)/;

export async function withHashes(vae: LoadedTextVae): Promise<OpenedTextVae> {
  const making = Object.entries(vae.parameters).filter(([name]) => MAKES_LATENTS.test(name));
  return {
    ...vae,
    hash: await weightsHash(vae.parameters),
    latentsHash: await weightsHash(Object.fromEntries(making)),
  };
}

function loadComponentTokenizer(
  component: Component,
  source: string,
  needs: readonly SpecialRole[],
): TextTokenizer {
  const bytes = component.files?.get("tokenizer.json");
  if (bytes === undefined) throw new UserError(`${source} lacks tokenizer.json`);
  const path = `${source}/tokenizer.json`;
  const json = parseJsonObject(new TextDecoder().decode(bytes), path);
  return new TextTokenizer(json, component.config, { source: path, needs });
}

/**
 * The text VAE of a checkpoint.
 *
 * @throws {UserError} If a part is missing or unsound, or tensors or the vocabulary do not fit; it names
 * the file and the tensor.
 */
export function loadTextVae(checkpoint: LoadedCheckpoint): LoadedTextVae {
  const { directory } = checkpoint;
  const part = (folder: string) => {
    const component = requireComponent(checkpoint, folder);
    return { component, source: `${directory}/${folder}` };
  };
  const [encoder, decoder, own] = [part("encoder"), part("decoder"), part("vae")];
  const config = textVaeFromJson(own.component.config, {
    encoder: bertConfigFromJson(encoder.component.config, `${encoder.source}/config.json`),
    decoder: gpt2ConfigFromJson(decoder.component.config, `${decoder.source}/config.json`),
  }, `${own.source}/config.json`);
  const open = (folder: string, needs: readonly SpecialRole[]) => {
    const { component, source } = part(folder);
    return loadComponentTokenizer(component, source, needs);
  };
  const reading = ["pad", "cls", "sep"] as const;
  const separate = checkpoint.components["encoder_tokenizer"] !== undefined;
  const tokenizer = open("tokenizer", separate ? ["eos"] : [...reading, "eos"]);
  const encoderTokenizer = separate ? open("encoder_tokenizer", reading) : tokenizer;
  for (
    const [name, { vocabSize }, folder, tokens] of [
      ["encoder", config.encoder, separate ? "encoder_tokenizer" : "tokenizer", encoderTokenizer],
      ["decoder", config.decoder, "tokenizer", tokenizer],
    ] as const
  ) {
    if (tokens.vocabSize <= vocabSize) continue;
    throw new UserError(
      `${directory}/${folder} has ${tokens.vocabSize} tokens, the ${name} beside it ${vocabSize}: ` +
        "they belong to different models",
    );
  }
  const specs = textVaeSpecs(config);
  const weightsOf = (prefix: string, weights: NamedTensors | undefined, source: string) => {
    const shapes = Object.entries(partOf(specs, prefix)).map(([n, { shape }]) =>
      [n, shape] as const
    );
    return underPrefix(
      toParameters(checkWeights(weights, new Map(shapes), source, { allowOthers: true })),
      prefix,
    );
  };
  return {
    config,
    tokenizer,
    encoderTokenizer,
    parameters: {
      ...weightsOf(ENCODER, encoder.component.weights, encoder.source),
      ...weightsOf(DECODER, decoder.component.weights, decoder.source),
      ...weightsOf(VAE, own.component.weights, own.source),
    },
  };
}

/**
 * Opens the text VAE of a run or of a checkpoint.
 *
 * @param path The folder of the run or of the checkpoint.
 * @param warn Receives a line about each damaged checkpoint that is skipped.
 * @throws {UserError} If there is none, or it is unsound.
 */
export async function openTextVae(
  path: string,
  warn: (line: string) => void = () => {},
): Promise<OpenedTextVae> {
  const found = await resolveCheckpoint(path, warn);
  if (!await fileExists(`${found}/model_index.json`)) {
    throw new UserError(`there is no autoencoder in ${found}`);
  }
  return await withHashes(loadTextVae(await loadCheckpoint(found, { state: false })));
}
