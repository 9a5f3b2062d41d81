/**
 * Checkpoints of a text VAE. Encoder and decoder are in transformers' layout:
 * `BertModel.from_pretrained(checkpoint + "/encoder")`, `GPT2LMHeadModel.from_pretrained(... "/decoder")`,
 * `AutoTokenizer.from_pretrained(... "/tokenizer")`. The VAE does not use BERT's pooler; it is saved as
 * zeros so that BertModel finds all its weights.
 */
import { UserError } from "../../base/errors.ts";
import { fileExists } from "../../base/files.ts";
import { type JsonObject, parseJsonObject } from "../../base/json.ts";
import { type HostParameters, type ParameterSpecs, unravel } from "../../nn/parameters.ts";
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
  type TrainingState,
} from "../../training/checkpoint/checkpoint.ts";
import { resolveCheckpoint } from "../../training/checkpoint/folders.ts";
import type { TrainState } from "../../training/step.ts";
import { stateTensors, toParameters, toTensors } from "../../training/checkpoint/state_tensors.ts";
import { weightsHash } from "../../training/checkpoint/weights_identity.ts";

/** The state of a run: the training's, and what its record identifies. */
export type RunState = Omit<TrainingState, "vectors"> & { readonly state: TrainState };

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
  { config, tokenizer, encoderTokenizer, state, ...run }:
    & RunState
    & Pick<LoadedTextVae, "config" | "tokenizer">
    & Partial<Pick<LoadedTextVae, "encoderTokenizer">>,
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

export function withHashes(vae: LoadedTextVae): OpenedTextVae {
  const making = Object.entries(vae.parameters).filter(([name]) => MAKES_LATENTS.test(name));
  return {
    ...vae,
    hash: weightsHash(vae.parameters),
    latentsHash: weightsHash(Object.fromEntries(making)),
  };
}

/**
 * The text VAE of a checkpoint.
 *
 * @throws {UserError} If a part is missing or unsound, or tensors or the vocabulary do not fit; it names
 * the file and the tensor.
 */
export function loadTextVae(checkpoint: LoadedCheckpoint): LoadedTextVae {
  const { directory } = checkpoint;
  const configOf = <T>(folder: string, parse: (json: JsonObject, path: string) => T) =>
    parse(requireComponent(checkpoint, folder).config, `${directory}/${folder}/config.json`);
  const encoder = configOf("encoder", bertConfigFromJson);
  const decoder = configOf("decoder", gpt2ConfigFromJson);
  const config = configOf("vae", (json, path) => textVaeFromJson(json, { encoder, decoder }, path));
  const openTokenizer = (
    folder: string,
    models: readonly ("encoder" | "decoder")[],
    needs: readonly SpecialRole[],
  ) => {
    const component = requireComponent(checkpoint, folder);
    const bytes = component.files?.get("tokenizer.json");
    if (bytes === undefined) throw new UserError(`${directory}/${folder} lacks tokenizer.json`);
    const source = `${directory}/${folder}/tokenizer.json`;
    const json = parseJsonObject(new TextDecoder().decode(bytes), source);
    const tokenizer = new TextTokenizer(json, component.config, { source, needs });
    for (const model of models) {
      if (tokenizer.vocabSize <= config[model].vocabSize) continue;
      throw new UserError(
        `${directory}/${folder} has ${tokenizer.vocabSize} tokens, the ${model} beside it ` +
          `${config[model].vocabSize}: they belong to different models`,
      );
    }
    return tokenizer;
  };
  const reading = ["pad", "cls", "sep"] as const;
  const separate = checkpoint.components["encoder_tokenizer"] !== undefined;
  const tokenizer = separate
    ? openTokenizer("tokenizer", ["decoder"], ["eos"])
    : openTokenizer("tokenizer", ["encoder", "decoder"], [...reading, "eos"]);
  const encoderTokenizer = separate
    ? openTokenizer("encoder_tokenizer", ["encoder"], reading)
    : tokenizer;
  const specs = textVaeSpecs(config);
  return {
    config,
    tokenizer,
    encoderTokenizer,
    parameters: {
      ...weightsOfPart(checkpoint, "encoder", specs, ENCODER),
      ...weightsOfPart(checkpoint, "decoder", specs, DECODER),
      ...weightsOfPart(checkpoint, "vae", specs, VAE),
    },
  };
}

/** The weights of a component, checked: the part of `specs` under a prefix. */
export function weightsOfPart(
  checkpoint: LoadedCheckpoint,
  folder: string,
  specs: ParameterSpecs,
  prefix: string,
): HostParameters {
  const shapes = Object.entries(partOf(specs, prefix))
    .map(([name, { shape }]) => [name, shape] as const);
  const source = `${checkpoint.directory}/${folder}`;
  const { weights } = requireComponent(checkpoint, folder);
  const checked = checkWeights(weights, new Map(shapes), source, { allowOthers: true });
  return underPrefix(toParameters(checked), prefix);
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
  return withHashes(loadTextVae(await loadCheckpoint(found)));
}
