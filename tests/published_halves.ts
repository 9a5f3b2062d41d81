/** A BERT and a GPT-2 as transformers would save them, so small that a run with them takes a second. */
import { randomStream } from "../nn/random.ts";
import { initParameters, type ParameterSpecs } from "../nn/parameters.ts";
import { encodeSafetensors } from "../nn/safetensors.ts";
import { toTensors } from "../training/checkpoint/state_tensors.ts";
import { type BertConfig, bertSpecs } from "../vae/bert.ts";
import { bertConfigToJson, gpt2ConfigToJson } from "../vae/config_json.ts";
import { trainBpe } from "../vae/tokenizer/bpe.ts";
import { type Gpt2Config, gpt2Specs } from "../vae/gpt2.ts";
import { TextTokenizer } from "../vae/tokenizer/tokenizer.ts";

const LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,;:!?'\"()-&$%/*+=_#@";

/** A WordPiece vocabulary: letters, of which every word can be made, and a few words. */
const VOCABULARY = [
  ...["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"],
  ...LETTERS,
  ...Array.from(LETTERS, (letter) => `##${letter}`),
  ...["hotel", "room", "the", "was", "clean", "staff", "##ly"],
];

/** The encoder's sizes. */
export const HALF_BERT: BertConfig = {
  ...{ vocabSize: VOCABULARY.length, hiddenSize: 8, numHiddenLayers: 1, numAttentionHeads: 2 },
  ...{ intermediateSize: 16, maxPositionEmbeddings: 24, typeVocabSize: 2, layerNormEps: 1e-12 },
  initializerRange: 0.2,
};

/** The decoder's sizes. */
export const HALF_GPT2: Gpt2Config = {
  ...{ vocabSize: 300, nPositions: 24, nEmbd: 12, nLayer: 1, nHead: 2, layerNormEpsilon: 1e-5 },
  initializerRange: 0.2,
};

/** The file of weights, random ones. */
function weights(specs: ParameterSpecs, seed: number): Uint8Array<ArrayBuffer> {
  return encodeSafetensors(toTensors(initParameters(specs, randomStream(seed))));
}

/** The two models' files, in folders `bert` and `gpt2`: one has vocab.txt, the other tokenizer.json. */
export function halfFiles(): Record<string, Uint8Array<ArrayBuffer>> {
  const text = (content: string) => new TextEncoder().encode(content);
  const json = (value: object) => text(JSON.stringify(value));
  const { tokenizer, config } = trainBpe(["the room was clean, the staff was friendly"], {
    ...{ vocabSize: HALF_GPT2.vocabSize, splitDigits: false },
  });
  const said = new TextTokenizer(tokenizer, config).files();
  return {
    "bert/config.json": json(bertConfigToJson(HALF_BERT)),
    "bert/model.safetensors": weights(bertSpecs(HALF_BERT), 1),
    "bert/vocab.txt": text(VOCABULARY.join("\n") + "\n"),
    "gpt2/config.json": json(gpt2ConfigToJson(HALF_GPT2)),
    "gpt2/model.safetensors": weights(gpt2Specs(HALF_GPT2), 2),
    ...Object.fromEntries(said.map(([name, bytes]) => [`gpt2/${name}`, bytes])),
  };
}
