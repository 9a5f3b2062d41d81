/** The config.json of BERT and GPT-2, as transformers writes them, and that of a text VAE. */
import { inFile, UserError } from "../base/errors.ts";
import type { JsonObject, JsonValue } from "../base/json.ts";
import { quote } from "../base/quote.ts";
import { BERT_BASE, type BertConfig } from "./bert.ts";
import { GPT2_SMALL, type Gpt2Config } from "./gpt2.ts";
import {
  checkTextVaeConfig,
  LATENT_KINDS,
  LATENT_SOURCES,
  type TextVaeConfig,
} from "./text_vae_config.ts";

/** Reads values of a config.json; every error names the file and the key. */
function configReader(json: JsonObject, source: string) {
  const fail = (key: string, value: JsonValue | undefined, wanted: string): never => {
    throw new UserError(`${source}: ${key} is ${quote(value ?? null)}, but must be ${wanted}`);
  };
  const countUpTo = (most: number) => (key: string, fallback: number) => {
    const value = json[key] ?? fallback;
    const sound = Number.isInteger(value) && Number(value) >= 1 && Number(value) <= most;
    return sound ? Number(value) : fail(key, value, `a whole number from 1 to ${most}`);
  };
  const finite = (value: JsonValue): value is number => Number.isFinite(value);
  return {
    /** A whole number from 1 to 2^25, which no embedding's number of rows exceeds. */
    count: countUpTo(2 ** 25),
    layers: countUpTo(1000),
    positive(key: string, fallback: number) {
      const value = json[key] ?? fallback;
      return finite(value) && value > 0 ? value : fail(key, value, "a number above 0");
    },
    notNegative(key: string, fallback: number) {
      const value = json[key] ?? fallback;
      return finite(value) && value >= 0 ? value : fail(key, value, "a number from 0 up");
    },
    choice<const C extends string>(key: string, choices: readonly C[]): C {
      const value = choices.find((choice) => choice === json[key]);
      return value ?? fail(key, json[key], `one of ${choices.join(", ")}`);
    },
    /** Requires a value, which a missing key has by default, or another name of it. */
    only(key: string, value: JsonValue, ...names: JsonValue[]) {
      const given = json[key] ?? value;
      if (given !== value && !names.includes(given)) {
        fail(key, given, `${quote(value)} to be used here`);
      }
    },
    divides(key: string, divisor: number, ofKey: string, number: number) {
      if (number % divisor !== 0) fail(key, divisor, `a divisor of ${ofKey}, ${number}`);
    },
  };
}

/** The key of a size: `numHiddenLayers` is `num_hidden_layers` in the file. */
const keyOf = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** The sizes that `defaults` names; transformers has the same defaults for missing keys. */
function readSizes<C extends BertConfig | Gpt2Config>(
  read: ReturnType<typeof configReader>,
  defaults: C,
): C {
  const sizes = Object.entries(defaults).map(([name, fallback]: [string, number]) => {
    const layers = /Layers?$/.test(name);
    const kind = !Number.isInteger(fallback) ? "positive" : layers ? "layers" : "count";
    return [name, read[kind](keyOf(name), fallback)];
  });
  return Object.fromEntries(sizes) as C;
}

function sizesToJson<C extends BertConfig | Gpt2Config>(config: C, defaults: C): JsonObject {
  const names = Object.keys(defaults) as (keyof C & string)[];
  return Object.fromEntries(names.map((name) => [keyOf(name), Number(config[name])]));
}

/** The content of a BertModel's config.json. */
export function bertConfigToJson(
  config: BertConfig,
  { padId = 0, architecture = "BertModel" }: { padId?: number; architecture?: string } = {},
): JsonObject {
  return {
    architectures: [architecture],
    model_type: "bert",
    ...sizesToJson(config, BERT_BASE),
    hidden_act: "gelu",
    position_embedding_type: "absolute",
    hidden_dropout_prob: 0,
    attention_probs_dropout_prob: 0,
    pad_token_id: padId,
    tie_word_embeddings: true,
  };
}

/** Reads a BERT's config.json, which is named `source` in messages. */
export function bertConfigFromJson(json: JsonObject, source: string): BertConfig {
  const read = configReader(json, source);
  read.only("model_type", "bert");
  read.only("hidden_act", "gelu", "gelu_python");
  read.only("position_embedding_type", "absolute");
  read.only("is_decoder", false);
  const config = readSizes(read, BERT_BASE);
  read.divides("num_attention_heads", config.numAttentionHeads, "hidden_size", config.hiddenSize);
  return config;
}

/** The content of a GPT2LMHeadModel's config.json. */
export function gpt2ConfigToJson(
  config: Gpt2Config,
  { endId = config.vocabSize - 1 }: { endId?: number } = {},
): JsonObject {
  return {
    architectures: ["GPT2LMHeadModel"],
    model_type: "gpt2",
    ...sizesToJson(config, GPT2_SMALL),
    activation_function: "gelu_new",
    resid_pdrop: 0,
    embd_pdrop: 0,
    attn_pdrop: 0,
    bos_token_id: endId,
    eos_token_id: endId,
    tie_word_embeddings: true,
  };
}

/** Reads a GPT-2's config.json, which is named `source` in messages. */
export function gpt2ConfigFromJson(json: JsonObject, source: string): Gpt2Config {
  const read = configReader(json, source);
  read.only("model_type", "gpt2");
  read.only("activation_function", "gelu_new", "gelu_pytorch_tanh", "gelu_fast");
  read.only("scale_attn_weights", true);
  read.only("scale_attn_by_inverse_layer_idx", false);
  read.only("tie_word_embeddings", true);
  read.only("add_cross_attention", false);
  const config = readSizes(read, GPT2_SMALL);
  read.divides("n_head", config.nHead, "n_embd", config.nEmbd);
  if ((json["n_inner"] ?? null) !== null) read.only("n_inner", 4 * config.nEmbd);
  return config;
}

/** The content of a text VAE's config.json, without the configs of its halves. */
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

/** Reads a text VAE's config.json, which is named `source` in messages. */
export function textVaeFromJson(
  json: JsonObject,
  halves: Pick<TextVaeConfig, "encoder" | "decoder">,
  source: string,
): TextVaeConfig {
  const read = configReader(json, source);
  read.only("_class_name", "TextVae");
  const config = {
    ...halves,
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
