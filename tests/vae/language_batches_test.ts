import { assertEquals, assertThrows } from "@std/assert";
import { batcher } from "../../datasets/batches.ts";
import { IGNORED_LABEL } from "../../nn/cross_entropy.ts";
import { randomStream } from "../../nn/random.ts";
import { trainBpe } from "../../vae/tokenizer/bpe.ts";
import {
  answerSequence,
  languageBatch,
  languageBatches,
  questionTokens,
  textSequence,
} from "../../vae/language_batches.ts";
import { TextTokenizer } from "../../vae/tokenizer/tokenizer.ts";

function tokenizerOf(): TextTokenizer {
  const { tokenizer, config } = trainBpe(["1 2 3"], { vocabSize: 300, splitDigits: false });
  return new TextTokenizer(tokenizer, config);
}

Deno.test("textSequence() and answerSequence() mark the given tokens, and end with the end token", () => {
  const tokenizer = tokenizerOf();
  const [end, cls, sep] = [tokenizer.id("eos"), tokenizer.id("cls"), tokenizer.id("sep")];
  const ids = (text: string) => [...tokenizer.encode(text)];
  const text = textSequence("abcd", tokenizer, 3);
  assertEquals([[...text.ids], text.given], [[end, ...ids("abc"), end], 1]);
  const answer = answerSequence("ab", "c", tokenizer);
  assertEquals([...answer.ids], [cls, ...ids("ab"), sep, ...ids("c"), end]);
  assertEquals([...questionTokens("ab", tokenizer)], [...answer.ids.slice(0, answer.given)]);
  // GPT-2's own vocabulary has neither [CLS] nor [SEP].
  const renamed = JSON.stringify(tokenizer.json).replaceAll(/\[(CLS|SEP)\]/g, "[its $1]");
  const plain = new TextTokenizer(JSON.parse(renamed), { eos_token: "<|endoftext|>" });
  assertEquals([...questionTokens("ab", plain)], [end, ...ids("ab"), end]);
});

Deno.test("languageBatch() pads to the next length, and ignores the labels of given tokens", () => {
  const examples = [
    { ids: Int32Array.of(5, 6, 7), given: 2 },
    { ids: Int32Array.of(8, 9), given: 1 },
  ];
  const { tokens, labels } = languageBatch(examples, [2, 4, 8], 0);
  assertEquals([tokens.shape, [...tokens.data]], [[2, 4], [5, 6, 7, 0, 8, 9, 0, 0]]);
  const none = IGNORED_LABEL;
  assertEquals([...labels.data], [none, none, 7, none, none, 9, none, none]);
  assertThrows(() => languageBatch(examples, [2], 0), RangeError, "3 tokens fit none of 2");
});

Deno.test("languageBatches() uses every sequence once per epoch, as a function of the step", () => {
  const examples = [1, 2, 3, 4].map((id) => ({ ids: Int32Array.of(0, id), given: 1 }));
  const indicesAt = batcher({ size: 4, batchSize: 2, random: randomStream(3) });
  const at = languageBatches(examples, indicesAt, { lengths: [2], padId: 0 });
  const seen = [0, 1].flatMap((step) => [...at(step).tokens.data].filter((id) => id > 0));
  assertEquals(seen.toSorted(), [1, 2, 3, 4]);
  assertEquals(at(0), at(0));
});
