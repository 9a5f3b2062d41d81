import { assertEquals, assertThrows } from "@std/assert";
import { UserError } from "../../../base/errors.ts";
import { trainBpe } from "../../../vae/tokenizer/bpe.ts";
import { TextTokenizer } from "../../../vae/tokenizer/tokenizer.ts";
import { encodeTexts, encodingNote } from "../../../vae/tokenizer/texts.ts";
import { wordPieceJson } from "../../../vae/tokenizer/vocab.ts";
import { REVIEWS } from "../corpus.ts";

/** A tokenizer whose tokens are bytes. */
const { tokenizer, config } = trainBpe(["a"], { vocabSize: 261 });
const bytes = new TextTokenizer(tokenizer, config);
const words = new TextTokenizer(
  wordPieceJson("[PAD]\n[UNK]\n[CLS]\n[SEP]\nthe\nroom\nwas\nbig\n[\nsep\n]", {}, "vocab.txt"),
);

Deno.test("encodeTexts() adds [CLS] and [SEP] for the encoder, and nothing for the decoder", () => {
  const { examples, truncated, empty } = encodeTexts(REVIEWS, {
    encoder: bytes,
    decoder: bytes,
    maxTokens: 500,
  });
  assertEquals([truncated, empty], [0, 0]);
  examples.forEach(({ encoder, decoder }, i) => {
    assertEquals([...encoder], [1, ...decoder, 2]);
    assertEquals(bytes.decode(decoder), REVIEWS[i]);
  });
});

Deno.test("encodeTexts() cuts, counts and notes texts that are too long or empty", () => {
  const texts = ["abcdef", "", "abcd", " \n\t ", "abcde"];
  const encoded = encodeTexts(texts, { encoder: bytes, decoder: bytes, maxTokens: 4 });
  assertEquals(encoded.examples.map(({ decoder }) => bytes.decode(decoder)), [
    "abcd",
    "abcd",
    "abcd",
  ]);
  assertEquals(encoded.examples.map(({ encoder }) => encoder.length), [6, 6, 6]);
  assertEquals(encoded.rows, [0, 2, 4]);
  assertEquals([encoded.truncated, encoded.empty], [2, 2]);
  assertEquals(
    encodingNote(encoded, 4),
    "2 of 5 texts are longer than 4 tokens and were cut. 2 of 5 texts are empty and were left out.",
  );
  const whole = encodeTexts(["ab"], { encoder: bytes, decoder: bytes, maxTokens: 4 });
  assertEquals(encodingNote(whole, 4), undefined);
});

Deno.test("encodeTexts() cuts before a character that the limit would split", () => {
  for (
    const [text, limit, kept] of [
      ["ab\u00e9cd", 3, "ab"],
      ["ab\u00e9cd", 4, "ab\u00e9"],
      ["a\ud83d\ude00b", 4, "a"],
      ["a\ud83d\ude00b", 5, "a\ud83d\ude00"],
      ["a\u65e5\u672c", 6, "a\u65e5"],
    ] as const
  ) {
    const { examples } = encodeTexts([text], { encoder: bytes, decoder: bytes, maxTokens: limit });
    assertEquals(bytes.decode(examples[0]!.decoder), kept);
  }
});

Deno.test("encodeTexts() gives the encoder only the decoder's text when tokenizers differ", () => {
  const { examples, truncated } = encodeTexts(["the room was big", "the"], {
    encoder: words,
    decoder: bytes,
    maxTokens: 12,
  });
  // The decoder's text is "the room was", 12 bytes; so the encoder does not receive "big".
  assertEquals([...examples[0]!.encoder], [2, 4, 5, 6, 3]);
  assertEquals(bytes.decode(examples[0]!.decoder), "the room was");
  assertEquals([...examples[1]!.encoder], [2, 4, 3]);
  assertEquals(truncated, 1);
});

Deno.test("encodeTexts() treats a special token's name as text", () => {
  const { examples } = encodeTexts(["the [SEP]"], {
    encoder: words,
    decoder: bytes,
    maxTokens: 20,
  });
  assertEquals([...examples[0]!.encoder], [2, 4, 8, 9, 10, 3]);
  assertEquals(bytes.decode(examples[0]!.decoder), "the [SEP]");
});

Deno.test("encodeTexts() throws when all texts are empty, a token is missing or the limit is 0", () => {
  const both = { encoder: bytes, decoder: bytes };
  assertThrows(() => encodeTexts(["", " "], { ...both, maxTokens: 4 }), UserError, "all 2 texts");
  assertThrows(() => encodeTexts(["a"], { ...both, maxTokens: 0 }), RangeError, "maxTokens");
  const bare = new TextTokenizer(
    trainBpe(["a"], { vocabSize: 300, specialTokens: { eos: "<|endoftext|>" } }).tokenizer,
  );
  assertThrows(
    () => encodeTexts(["a"], { encoder: bare, decoder: bare, maxTokens: 4 }),
    UserError,
    '"[CLS]" (cls)',
  );
});

Deno.test("encodeTexts() limits the encoder's tokens to encoderTokens", () => {
  const texts = ["the room was", "big big"];
  const shown = (encoderTokens?: number) =>
    encodeTexts(texts, { encoder: bytes, decoder: words, maxTokens: 3, encoderTokens });
  const read = ({ examples }: ReturnType<typeof shown>) =>
    examples.map(({ encoder }) => bytes.decode(encoder.subarray(1, -1)));
  assertEquals([read(shown()), shown().truncated], [["the", "big"], 2]);
  assertEquals([read(shown(9)), shown(9).truncated], [["the room ", "big big"], 1]);
  assertEquals([read(shown(12)), shown(12).truncated], [texts, 0]);
});
