/** GPT-2's config.json, as transformers writes it. */
import type { JsonObject } from "../base/json.ts";
import type { Gpt2Config } from "./gpt2.ts";
import { modelConfigReader } from "./model_config.ts";

/** The content of a GPT2LMHeadModel's config.json. */
export function gpt2ConfigToJson(
  config: Gpt2Config,
  { endId = config.vocabSize - 1 }: { endId?: number } = {},
): JsonObject {
  return {
    architectures: ["GPT2LMHeadModel"],
    model_type: "gpt2",
    vocab_size: config.vocabSize,
    n_positions: config.nPositions,
    n_embd: config.nEmbd,
    n_layer: config.nLayer,
    n_head: config.nHead,
    layer_norm_epsilon: config.layerNormEpsilon,
    initializer_range: config.initializerRange,
    activation_function: "gelu_new",
    resid_pdrop: 0,
    embd_pdrop: 0,
    attn_pdrop: 0,
    bos_token_id: endId,
    eos_token_id: endId,
    tie_word_embeddings: true,
  };
}

/**
 * Reads a GPT-2's config.json. Keys that are missing have transformers' defaults.
 *
 * @param json The content.
 * @param source The file's name in messages.
 * @throws {UserError} If a value is out of its range, or the model is of an unsupported kind.
 */
export function gpt2ConfigFromJson(json: JsonObject, source: string): Gpt2Config {
  const read = modelConfigReader(json, source);
  read.only("model_type", "gpt2");
  read.only("activation_function", "gelu_new");
  read.only("scale_attn_weights", true);
  read.only("scale_attn_by_inverse_layer_idx", false);
  read.only("tie_word_embeddings", true);
  read.only("add_cross_attention", false);
  const config = {
    vocabSize: read.count("vocab_size", 50257),
    nPositions: read.count("n_positions", 1024),
    nEmbd: read.count("n_embd", 768),
    nLayer: read.layers("n_layer", 12),
    nHead: read.count("n_head", 12),
    layerNormEpsilon: read.positive("layer_norm_epsilon", 1e-5),
    initializerRange: read.positive("initializer_range", 0.02),
  };
  read.divides("n_head", config.nHead, "n_embd", config.nEmbd);
  if ((json["n_inner"] ?? null) !== null) read.only("n_inner", 4 * config.nEmbd);
  return config;
}
