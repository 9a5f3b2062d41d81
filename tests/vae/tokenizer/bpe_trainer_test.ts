import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { UserError } from "../../../base/errors.ts";
import type { JsonObject } from "../../../base/json.ts";
import { BPE_SPECIAL_TOKENS, BYTE_SYMBOLS, trainBpe } from "../../../vae/tokenizer/bpe.ts";
import { TextTokenizer } from "../../../vae/tokenizer/tokenizer.ts";
import { HARD_TEXTS, REVIEWS } from "../corpus.ts";

/** A corpus in which each word occurs as often as counted. */
const corpus = (counts: Readonly<Record<string, number>>) =>
  Object.entries(counts).flatMap(([word, count]) => Array.from({ length: count }, () => word));

const modelOf = ({ tokenizer }: { tokenizer: JsonObject }) =>
  tokenizer["model"] as unknown as { vocab: Record<string, number>; merges: [string, string][] };

const mergesOf = (texts: string[], options: Partial<Parameters<typeof trainBpe>[1]> = {}) =>
  modelOf(trainBpe(texts, { vocabSize: 1000, ...options })).merges.map((pair) => pair.join("+"));

const CLASSIC = { low: 5, lower: 2, newest: 6, widest: 3 };

// Counted by hand; e+s and s+t both occur 9 times, and e's id is lower.
const CLASSIC_MERGES = [
  "e+s",
  "es+t",
  "l+o",
  "lo+w",
  "e+w",
  "n+ew",
  "new+est",
  "d+est",
  "i+dest",
  "w+idest",
  "e+r",
  "low+er",
];

Deno.test("trainBpe() learns the merges that were counted by hand for a few words", () => {
  assertEquals(mergesOf(corpus(CLASSIC)), CLASSIC_MERGES);
});

Deno.test("trainBpe() learns the same merges when the texts are in another order", () => {
  assertEquals(mergesOf(corpus(CLASSIC).reverse()), CLASSIC_MERGES);
  const one = trainBpe(REVIEWS, { vocabSize: 400 });
  assertEquals(
    JSON.stringify(trainBpe(REVIEWS.toReversed(), { vocabSize: 400 })),
    JSON.stringify(one),
  );
});

Deno.test("trainBpe() stops when all pairs are rarer than minFrequency", () => {
  assertEquals(mergesOf(corpus(CLASSIC), { minFrequency: 6 }), CLASSIC_MERGES.slice(0, 7));
  assertEquals(mergesOf(corpus(CLASSIC), { minFrequency: 10 }), []);
});

Deno.test("trainBpe() counts a run's overlapping pairs, and merges them from the left", () => {
  // aaaa: a+a is counted three times, then once as aa+aa.
  assertEquals(mergesOf(["aaaa", "aaaa"]), ["a+a", "aa+aa"]);
  assertEquals(mergesOf(["aaa", "aaa"]), ["a+a", "aa+a"]);
});

Deno.test("trainBpe() gives the special tokens the first ids, then the bytes, then the merges", () => {
  const files = trainBpe(corpus(CLASSIC), { vocabSize: 266, extraSpecialTokens: ["[THINK]"] });
  const { vocab } = modelOf(files);
  const special = ["[PAD]", "[CLS]", "[SEP]", "[MASK]", "<|endoftext|>", "[THINK]"];
  assertEquals(special.map((token) => vocab[token]), [0, 1, 2, 3, 4, 5]);
  assertEquals(
    BYTE_SYMBOLS.map((symbol) => vocab[symbol]!).sort((a, b) => a - b),
    Array.from({ length: 256 }, (_, i) => 6 + i),
  );
  assertEquals(["es", "est", "lo", "low"].map((token) => vocab[token]), [262, 263, 264, 265]);
  assertEquals(Object.keys(vocab).length, 266);
});

Deno.test("BYTE_SYMBOLS are GPT-2's: printable bytes as they are, others from U+0100 on", () => {
  const published: [byte: number, symbol: string][] = [
    [0x21, "!"],
    [0x7e, "~"],
    [0xa1, "\u00a1"],
    [0xff, "\u00ff"],
    [0x00, "\u0100"],
    [0x0a, "\u010a"],
    [0x20, "\u0120"],
    [0x7f, "\u0121"],
    [0xa0, "\u0142"],
    [0xad, "\u0143"],
  ];
  for (const [byte, symbol] of published) assertEquals(BYTE_SYMBOLS[byte], symbol);
  assertEquals(new Set(BYTE_SYMBOLS).size, 256);
});

Deno.test("trainBpe() makes a tokenizer that reconstructs texts that it was not trained on", () => {
  for (const splitDigits of [false, true]) {
    const { tokenizer, config } = trainBpe(REVIEWS, { vocabSize: 500, splitDigits });
    const trained = new TextTokenizer(tokenizer, config);
    for (const text of [...REVIEWS, ...HARD_TEXTS]) {
      const ids = trained.encode(text, { splitSpecialTokens: true });
      assertEquals(trained.decode(ids), text);
      assert(ids.every((id) => id < trained.vocabSize && !trained.specialIds.has(id)));
    }
  }
});

Deno.test("trainBpe() makes every digit a token when splitDigits is set", () => {
  const texts = Array.from({ length: 20 }, () => "in 2024 room 2024");
  const tokensOf = (splitDigits: boolean) => {
    const { tokenizer, config } = trainBpe(texts, { vocabSize: 400, splitDigits });
    const trained = new TextTokenizer(tokenizer, config);
    return Array.from(trained.encode("room 2024, 12.5"), (id) => trained.token(id));
  };
  assertEquals(
    tokensOf(true),
    ["room", "\u0120", "2", "0", "2", "4", ",", "\u0120", "1", "2", ".", "5"],
  );
  assertNotEquals(tokensOf(false).length, tokensOf(true).length);
  assert(tokensOf(false).includes("\u01202024"));
});

Deno.test("trainBpe() makes a tokenizer that puts [CLS] and [SEP] around a text on request", () => {
  const { tokenizer, config } = trainBpe(REVIEWS, { vocabSize: 300 });
  const trained = new TextTokenizer(tokenizer, config);
  const bare = trained.encode("the room");
  const marked = trained.encode("the room", { addSpecialTokens: true });
  assertEquals([...marked], [1, ...bare, 2]);
  assertEquals(trained.decode(marked), "the room");
});

Deno.test("trainBpe() throws when the corpus is empty, vocabSize too small, or a token ambiguous", () => {
  assertThrows(() => trainBpe(["", ""], { vocabSize: 300 }), UserError, "no text to train");
  assertThrows(() => trainBpe(["a"], { vocabSize: 260 }), RangeError, "at least 261");
  assertThrows(() => trainBpe(["a"], { vocabSize: 300.5 }), RangeError, "vocabSize");
  assertThrows(() => trainBpe(["a"], { vocabSize: 300, minFrequency: NaN }), RangeError);
  assertThrows(
    () => trainBpe(["a"], { vocabSize: 300, extraSpecialTokens: ["a"] }),
    RangeError,
    '"a" cannot be a special token',
  );
  assertEquals(BPE_SPECIAL_TOKENS.unk, undefined);
});
