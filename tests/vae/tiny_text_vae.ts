/** A text VAE small enough for any device. */
import type { TextVaeConfig } from "../../vae/text_vae_config.ts";

/** Up to 12 tokens of a vocabulary of 20, 4 latents of width 6. */
export function tinyTextVae(
  latentSource: TextVaeConfig["latentSource"] = "first",
  latentKind: TextVaeConfig["latentKind"] = "kl",
): TextVaeConfig {
  const [vocabSize, width] = [20, 16];
  return {
    encoder: {
      vocabSize,
      hiddenSize: width,
      numHiddenLayers: 1,
      numAttentionHeads: 2,
      intermediateSize: 32,
      maxPositionEmbeddings: 20,
      typeVocabSize: 1,
      layerNormEps: 1e-12,
      initializerRange: 0.3,
    },
    decoder: {
      vocabSize,
      nPositions: 30,
      nEmbd: width,
      nLayer: 2,
      nHead: 2,
      layerNormEpsilon: 1e-5,
      initializerRange: 0.3,
    },
    latents: 4,
    latentWidth: 6,
    maxTokens: 12,
    latentKind,
    latentSource,
  };
}
