/** BERT's config.json, as transformers writes it. */
import type { JsonObject } from "../base/json.ts";
import type { BertConfig } from "./bert.ts";
import { modelConfigReader } from "./model_config.ts";

/** The content of a BertModel's config.json. */
export function bertConfigToJson(
  config: BertConfig,
  { padId = 0, architecture = "BertModel" }: { padId?: number; architecture?: string } = {},
): JsonObject {
  return {
    architectures: [architecture],
    model_type: "bert",
    vocab_size: config.vocabSize,
    hidden_size: config.hiddenSize,
    num_hidden_layers: config.numHiddenLayers,
    num_attention_heads: config.numAttentionHeads,
    intermediate_size: config.intermediateSize,
    max_position_embeddings: config.maxPositionEmbeddings,
    type_vocab_size: config.typeVocabSize,
    layer_norm_eps: config.layerNormEps,
    initializer_range: config.initializerRange,
    hidden_act: "gelu",
    position_embedding_type: "absolute",
    hidden_dropout_prob: 0,
    attention_probs_dropout_prob: 0,
    pad_token_id: padId,
    tie_word_embeddings: true,
  };
}

/**
 * Reads a BERT's config.json. Keys that are missing have transformers' defaults.
 *
 * @param json The content.
 * @param source The file's name in messages.
 * @throws {UserError} If a value is out of its range, or the model is of an unsupported kind.
 */
export function bertConfigFromJson(json: JsonObject, source: string): BertConfig {
  const read = modelConfigReader(json, source);
  read.only("model_type", "bert");
  read.only("hidden_act", "gelu");
  read.only("position_embedding_type", "absolute");
  read.only("is_decoder", false);
  const config = {
    vocabSize: read.count("vocab_size", 30522),
    hiddenSize: read.count("hidden_size", 768),
    numHiddenLayers: read.layers("num_hidden_layers", 12),
    numAttentionHeads: read.count("num_attention_heads", 12),
    intermediateSize: read.count("intermediate_size", 3072),
    maxPositionEmbeddings: read.count("max_position_embeddings", 512),
    typeVocabSize: read.count("type_vocab_size", 2),
    layerNormEps: read.positive("layer_norm_eps", 1e-12),
    initializerRange: read.positive("initializer_range", 0.02),
  };
  read.divides("num_attention_heads", config.numAttentionHeads, "hidden_size", config.hiddenSize);
  return config;
}
