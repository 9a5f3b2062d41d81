/**
 * A text VAE's run as a checkpoint, and back. Encoder and decoder are in transformers' layout:
 * `BertModel.from_pretrained(checkpoint + "/encoder")`, `GPT2LMHeadModel.from_pretrained(... "/decoder")`,
 * `AutoTokenizer.from_pretrained(... "/tokenizer")`. BERT's pooler, which the VAE has no use for, is
 * saved as zeros so that nothing is missing.
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

/** What goes into a checkpoint of a text VAE's run. */
export interface TextVaeCheckpointOptions {
  /** The model. */
  readonly config: TextVaeConfig;
  /** The decoder's tokenizer. */
  readonly tokenizer: TextTokenizer;
  /** The encoder's; the same if not given. */
  readonly encoderTokenizer?: TextTokenizer;
  /** The state to go on from. */
  readonly state: TrainState;
  /** Steps done. */
  readonly step: number;
  /** The run's seed. */
  readonly seed: number;
  /** The hash of the run's configuration. */
  readonly configHash: string;
  /** Whatever else is to be kept. */
  readonly details?: JsonObject;
}

/** The prefixes of the three parts' parameters. */
const [ENCODER, DECODER, VAE] = ["encoder.", "decoder.", "vae."] as const;

/** A tokenizer as a component. */
function tokenizerComponent(tokenizer: TextTokenizer): Component {
  const files = new Map(tokenizer.files());
  const configName = "tokenizer_config.json";
  const config = new TextDecoder().decode(files.get(configName));
  files.delete(configName);
  return { config: parseJsonObject(config, configName), configName, files };
}

/**
 * The model's components, without a training state.
 *
 * @param tokenizer The decoder's.
 * @param encoderTokenizer The encoder's; it has a component of its own if it is another.
 */
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

/** Puts a checkpoint together. The weights that are published are the moving average. */
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
  /** Its configuration. */
  readonly config: TextVaeConfig;
  /** Its weights: the moving average. */
  readonly parameters: HostParameters;
  /** The decoder's tokenizer, in whose tokens texts are said. */
  readonly tokenizer: TextTokenizer;
  /** The encoder's: the same one, or another. */
  readonly encoderTokenizer: TextTokenizer;
}

/** The tokenizer in a checkpoint's component. */
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
 * Takes the text VAE out of a checkpoint.
 *
 * @throws {UserError} If a part is missing or unsound, or tensors or the vocabulary do not fit; names
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
 * The text VAE of a run or of a checkpoint.
 *
 * @throws {UserError} If there is none, or it is unsound.
 */
export async function openTextVae(path: string): Promise<LoadedTextVae> {
  const found = await resolveCheckpoint(path, (line) => console.error(line));
  if (!await fileExists(`${found}/model_index.json`)) {
    throw new UserError(
      `there is no autoencoder in ${found}: run --stage vae first, or name one by --vae`,
    );
  }
  return loadTextVae(await loadCheckpoint(found, { state: false }));
}
