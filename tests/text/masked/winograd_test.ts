import { assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { UserError } from "../../../base/errors.ts";
import { openDevice } from "../../../engine/device.ts";
import { initParameters } from "../../../nn/parameters.ts";
import { randomStream } from "../../../nn/random.ts";
import { maskedOptions, optionLikelihoods } from "../../../text/masked/winograd.ts";
import { maskedBertSpecs } from "../../../text/masked/network.ts";
import { loadTokenizer } from "../../../vae/tokenizer/files.ts";
import type { BertConfig } from "../../../vae/bert.ts";
import { deviceWorks } from "../../devices.ts";

const WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "old", "dog", "sleeps"];
const tokenizer = await loadTokenizer("x", {
  read: (name) =>
    Promise.resolve(
      name === "vocab.txt" ? new TextEncoder().encode(WORDS.join("\n")) : undefined,
    ),
});
const SCHEMA = { sentence: "the _ sleeps" };

Deno.test("maskedOptions() masks an option in all ways, with the weights of the bound", () => {
  assertEquals(maskedOptions(SCHEMA, "cat", tokenizer), [
    { ids: [2, 5, 4, 9, 3], masked: [{ at: 2, token: 6 }], weight: 1 },
  ]);
  // One of two tokens, each with half of the weight of one mask, and both.
  assertEquals(maskedOptions(SCHEMA, "old dog", tokenizer), [
    { ids: [2, 5, 4, 8, 9, 3], masked: [{ at: 2, token: 7 }], weight: 1 / 4 },
    { ids: [2, 5, 7, 4, 9, 3], masked: [{ at: 3, token: 8 }], weight: 1 / 4 },
    {
      ids: [2, 5, 4, 4, 9, 3],
      masked: [{ at: 2, token: 7 }, { at: 3, token: 8 }],
      weight: 1 / 4, // half of the mean of two
    },
  ]);
  const long = maskedOptions(SCHEMA, "old old dog cat", tokenizer);
  assertEquals(long.map(({ masked, weight }) => [masked.length, weight]), [[4, 1 / 4]]);
});

const config: BertConfig = {
  vocabSize: WORDS.length,
  hiddenSize: 8,
  numHiddenLayers: 1,
  numAttentionHeads: 2,
  intermediateSize: 16,
  maxPositionEmbeddings: 16,
  typeVocabSize: 2,
  layerNormEps: 1e-12,
  initializerRange: 0.5,
};

Deno.test({
  name:
    "optionLikelihoods() are weighted log likelihoods, which all tokens share to 1, in any batch",
  ignore: !deviceWorks("onnx"),
  fn: async () => {
    await using device = await openDevice("onnx");
    const parameters = initParameters(maskedBertSpecs(config), randomStream(3));
    const bert = { config, parameters, head: {} };
    // Each word in the blank: their likelihoods are a distribution over the vocabulary.
    const rows = WORDS.map((_, token) => ({
      ids: [2, 5, 4, 9, 3],
      masked: [{ at: 2, token }],
      weight: 1,
    }));
    const likelihoods = await optionLikelihoods(device, bert, rows, { padId: 0 });
    const total = likelihoods.reduce((sum, value) => sum + Math.exp(value), 0);
    assertAlmostEquals(total, 1, 1e-5);
    // Beside longer rows they are the same: padding is not attended to.
    const longer = [{
      ids: [2, 5, 6, 7, 8, 9, 5, 4, 9, 3],
      masked: [{ at: 7, token: 6 }],
      weight: 1,
    }];
    const mixed = await optionLikelihoods(device, bert, [...longer, ...rows], { padId: 0 });
    likelihoods.forEach((value, i) => assertAlmostEquals(mixed[i + 1]!, value, 1e-5));
    const [half] = await optionLikelihoods(device, bert, [{ ...rows[6]!, weight: 0.5 }], {
      padId: 0,
    });
    assertAlmostEquals(half!, likelihoods[6]! / 2, 1e-6);
    await assertRejects(
      () => optionLikelihoods(device, { ...bert, head: undefined }, rows, { padId: 0 }),
      UserError,
      "the model has no head for masked tokens",
    );
  },
});
