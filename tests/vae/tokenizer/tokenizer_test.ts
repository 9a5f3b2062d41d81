import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { UserError } from "../../../base/errors.ts";
import type { JsonObject } from "../../../base/json.ts";
import { BYTE_SYMBOLS, trainBpe } from "../../../vae/tokenizer/bpe.ts";
import { TextTokenizer } from "../../../vae/tokenizer/tokenizer.ts";
import { loadTokenizer } from "../../../vae/tokenizer/files.ts";
import type { SpecialRole } from "../../../vae/tokenizer/special.ts";
import { REVIEWS } from "../corpus.ts";

/** Loads a tokenizer from files in memory. */
function load(
  files: Readonly<Record<string, string | Uint8Array>>,
  needs: readonly SpecialRole[] = [],
): Promise<TextTokenizer> {
  const bytes = (content: string | Uint8Array) =>
    typeof content === "string" ? new TextEncoder().encode(content) : content;
  return loadTokenizer("models/x", {
    needs,
    read: (name) => Promise.resolve(Object.hasOwn(files, name) ? bytes(files[name]!) : undefined),
  });
}

const BERT_LINES = [
  "[PAD]",
  "[UNK]",
  "[CLS]",
  "[SEP]",
  "[MASK]",
  "the",
  "un",
  "##aff",
  "##able",
  "cafe",
  ".",
  ",",
  "'",
  "s",
  "hotel",
];
const BERT = BERT_LINES.join("\n") + "\n";

/** A byte-level vocabulary: the bytes, then the merged tokens. */
function bytePair(merges: string[], more: string[] = []): { vocab: string; merges: string } {
  const tokens = [...BYTE_SYMBOLS, ...merges.map((merge) => merge.replace(" ", "")), ...more];
  return {
    vocab: JSON.stringify(Object.fromEntries(tokens.map((token, id) => [token, id]))),
    merges: ["#version: 0.2", ...merges, ""].join("\n"),
  };
}

Deno.test("loadTokenizer() reads BERT's vocab.txt, and splits words as BERT's paper does", async () => {
  const bert = await load({ "vocab.txt": BERT });
  // "un ##aff ##able" is the example of WordPiece in BERT's own code.
  const ids = bert.encode("The UNAFFABLE caf\u00e9's hotel.", { addSpecialTokens: true });
  assertEquals([...ids], [2, 5, 6, 7, 8, 9, 12, 13, 14, 10, 3]);
  assertEquals(bert.decode(ids), "the unaffable cafe ' s hotel.");
  assertEquals([...bert.encode("xyz the")], [1, 5]);
  assertEquals(bert.vocabSize, 15);
  const roles = ["pad", "unk", "cls", "sep", "mask"] as const;
  assertEquals(roles.map((role) => bert.id(role)), [0, 1, 2, 3, 4]);
  assertEquals([...bert.specialIds].sort(), [0, 1, 2, 3, 4]);
});

Deno.test("loadTokenizer() refuses a pattern that repeats a group, and accepts similar ones", async () => {
  const { tokenizer } = trainBpe(["a b c"], { vocabSize: 263 });
  const withPattern = (Regex: string) => ({
    "tokenizer.json": JSON.stringify({
      ...tokenizer,
      pre_tokenizer: {
        type: "Sequence",
        pretokenizers: [
          { type: "Split", pattern: { Regex }, behavior: "Isolated", invert: false },
          { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false },
        ],
      },
    }),
  });
  for (const slow of ["(a+)+$", "(?:a|aa)*b", "(\\w+\\s?){2,}"]) {
    await assertRejects(() => load(withPattern(slow)), UserError, "models/x/tokenizer.json is no");
  }
  for (const sound of ["[(a)+]", "\\(a\\)+", "(?:'s|'t)| ?\\p{L}+|\\s+(?!\\S)"]) {
    assertEquals((await load(withPattern(sound))).decode([50]).length, 1);
  }
});

Deno.test("encode() names the file when a text needs a part of it that is damaged", async () => {
  const { tokenizer } = trainBpe(["a b c"], { vocabSize: 263 });
  const broken = {
    ...tokenizer,
    post_processor: { type: "TemplateProcessing", single: [1], pair: [1] },
  };
  const opened = await load({ "tokenizer.json": JSON.stringify(broken) });
  assertThrows(
    () => opened.encode("a", { addSpecialTokens: true }),
    UserError,
    "models/x/tokenizer.json is no usable tokenizer: ",
  );
});

Deno.test("loadTokenizer() reads vocab.txt alike when it has Windows line ends", async () => {
  const unix = await load({ "vocab.txt": BERT });
  const windows = await load({ "vocab.txt": BERT.replaceAll("\n", "\r\n") });
  assertEquals(windows.json, unix.json);
});

Deno.test("loadTokenizer() keeps capitals when do_lower_case is false", async () => {
  const config = JSON.stringify({ do_lower_case: false });
  const cased = await load({ "vocab.txt": BERT, "tokenizer_config.json": config });
  assertEquals([...cased.encode("the The")], [5, 1]);
});

Deno.test("loadTokenizer() reads GPT-2's vocab.json and merges.txt, under either name", async () => {
  const { vocab, merges } = bytePair(["l o", "lo w", "\u0120 low"], ["<|endoftext|>"]);
  for (
    const files of [
      { "vocab.json": vocab, "merges.txt": merges },
      { "encoder.json": vocab, "vocab.bpe": merges },
    ]
  ) {
    const gpt2 = await load(files, ["bos", "eos"]);
    assertEquals([...gpt2.encode("low low l<|endoftext|>")], [257, 258, 32, 108, 259]);
    assertEquals(gpt2.decode([257, 258, 32, 108, 259]), "low low l");
    assertEquals(
      gpt2.decode([257, 259], { skipSpecialTokens: false }),
      "low<|endoftext|>",
    );
    assertEquals(gpt2.id("eos"), 259);
  }
});

// The ids in the next three tests are those of transformers' BertTokenizerFast and GPT2Tokenizer.
const ADDED_LINES = [
  "[UNK]",
  "[CLS]",
  "[SEP]",
  "[MASK]",
  "co",
  "y",
  "\u03bf",
  "##\u03b4\u03bf",
  "##\u03c3",
];

Deno.test("loadTokenizer() reads the tokens of added_tokens.json beside BERT's vocab.txt", async () => {
  const bert = await load({
    "vocab.txt": ADDED_LINES.join("\n"),
    "added_tokens.json": '{"[PAD]":9,"<special_token>":10}',
  });
  const encode = (text: string) => [...bert.encode(text, { addSpecialTokens: true })];
  assertEquals(encode("<special_token>y"), [1, 10, 5, 2]);
  assertEquals(encode("y <SPECIAL_TOKEN> [PAD]y"), [1, 5, 10, 9, 5, 2]);
  assertEquals([bert.vocabSize, bert.id("pad")], [11, 9]);
  assertEquals(bert.decode([10, 5]), "<special_token> y");
});

Deno.test("loadTokenizer() reads added tokens beside merges.txt, which may end in blank lines", async () => {
  const { vocab, merges } = bytePair(["a b", "n y", "a ny"], ["<|endoftext|>"]);
  const files = { "vocab.json": vocab, "merges.txt": `${merges}\n\n` };
  const added = { "260": { content: "[PAD]" }, "261": { content: "<special_token>" } };
  const config = JSON.stringify({ added_tokens_decoder: added, pad_token: "[PAD]" });
  for (
    const more of [
      { "added_tokens.json": '{"[PAD]":260,"<special_token>":261}' },
      { "tokenizer_config.json": config },
    ]
  ) {
    const gpt2 = await load({ ...files, ...more });
    assertEquals([...gpt2.encode("<special_token>y")], [261, 121]);
    assertEquals([...gpt2.encode("ab <special_token>any")], [256, 32, 261, 258]);
    assertEquals([...gpt2.encode("[PAD]y")], [260, 121]);
    assertEquals(gpt2.vocabSize, 262);
  }
  await assertRejects(
    () => load({ ...files, "added_tokens.json": '{"x":"y"}' }),
    UserError,
    'models/x/added_tokens.json: the token "x" has the id "y"',
  );
});

Deno.test("encode() separates rare Han characters and has one small sigma, as BERT's fast tokenizer", async () => {
  const bert = await load({ "vocab.txt": ADDED_LINES.join("\n") });
  assertEquals([...bert.encode("co\u{20000}\u{2f800}")], [4, 0, 0]);
  assertEquals([...bert.encode("\u039f\u0394\u039f\u03a3")], [6, 7, 8]); // Greek for way, in capitals
});

Deno.test("encode() treats a special token's name as text when splitSpecialTokens is set", async () => {
  const bert = await load({ "vocab.txt": BERT });
  assertEquals([...bert.encode("the [MASK]")], [5, 4]);
  assertEquals([...bert.encode("the [MASK]", { splitSpecialTokens: true })], [5, 1, 1, 1]);
});

Deno.test("encode() adds special tokens when splitSpecialTokens is set", async () => {
  // [CLS] and [SEP] in added_tokens alone, as some files have them.
  const { json, config } = await load({ "vocab.txt": BERT });
  const model = json["model"] as JsonObject;
  const vocab = { ...model["vocab"] as JsonObject };
  for (const token of ["[CLS]", "[SEP]"]) delete vocab[token];
  const apart = new TextTokenizer({ ...json, model: { ...model, vocab } }, config);
  const options = { addSpecialTokens: true, splitSpecialTokens: true };
  assertEquals([...apart.encode("the", options)], [2, 5, 3]);
});

Deno.test("encode() and decode() return nothing when there is no text", async () => {
  const bert = await load({ "vocab.txt": BERT });
  assertEquals([...bert.encode("")], []);
  assertEquals([...bert.encode("", { addSpecialTokens: true })], [2, 3]);
  assertEquals(bert.decode([]), "");
  assertEquals(bert.decode([0, 2, 3]), "");
  assertEquals(bert.decode([5, 999, -1, 1.5, NaN]), "the");
});

Deno.test("files() load as the same tokenizer", async () => {
  const { tokenizer, config } = trainBpe(REVIEWS, { vocabSize: 320 });
  const trained = new TextTokenizer(tokenizer, config);
  const bert = await load({ "vocab.txt": BERT });
  for (const saved of [trained, bert]) {
    const again = await load(Object.fromEntries(saved.files()));
    assertEquals(again.json, saved.json);
    assertEquals(again.specialTokens, saved.specialTokens);
    for (const text of REVIEWS) assertEquals(again.encode(text), saved.encode(text));
  }
});

Deno.test("loadTokenizer() names the token and the role when a special token is missing", async () => {
  const without = BERT_LINES.filter((token) => token !== "[MASK]").join("\n");
  const error = await assertRejects(
    () => load({ "vocab.txt": without }, ["cls", "mask"]),
    UserError,
    'models/x/vocab.txt lacks the special token "[MASK]" (mask)',
  );
  assertEquals(error.message.includes('"mask_token" in tokenizer_config.json'), true);
  const bert = await load({ "vocab.txt": without });
  assertThrows(() => bert.id("mask"), UserError, "[MASK]");
  const config = JSON.stringify({ pad_token: "<pad>", mask_token: null });
  const named = await load({ "vocab.txt": BERT, "tokenizer_config.json": config });
  assertThrows(() => named.id("pad"), UserError, '"<pad>" (pad)');
  assertThrows(() => named.id("mask"), UserError);
});

Deno.test("loadTokenizer() names the file and the fault when a file is damaged", async () => {
  const pair = bytePair(["l o"]);
  const whole = JSON.stringify((await load({ "vocab.txt": BERT })).json);
  const changed = (change: (json: { model: Record<string, unknown> }) => void) => {
    const json = JSON.parse(whole);
    change(json);
    return { "tokenizer.json": JSON.stringify(json) };
  };
  const bpe = (change: (model: { vocab: Record<string, number>; merges: unknown[] }) => void) => {
    const { tokenizer } = trainBpe(REVIEWS, { vocabSize: 300 });
    const json = JSON.parse(JSON.stringify(tokenizer));
    change(json.model);
    return { "tokenizer.json": JSON.stringify(json) };
  };
  const cases: [files: Record<string, string | Uint8Array>, message: string][] = [
    [{}, "models/x holds no tokenizer"],
    [{ "tokenizer.json": whole.slice(0, 500) }, "models/x/tokenizer.json is not JSON"],
    [{ "tokenizer.json": "[]" }, "does not hold a JSON object"],
    [{ "tokenizer.json": "{}" }, 'it has no "model"'],
    [{ "vocab.txt": Uint8Array.of(0x61, 0xff, 0x0a) }, "models/x/vocab.txt is not UTF-8"],
    [{ "vocab.txt": "" }, "its vocabulary is empty"],
    [{ "vocab.txt": "[UNK]\na\n\nb" }, "models/x/vocab.txt, line 3: a token is missing"],
    [{ "vocab.txt": "[UNK]\na\nb\na" }, 'line 4: the token "a" is in line 2 already'],
    [{ "vocab.txt": "a\nb" }, 'its vocabulary lacks "[UNK]"'],
    [{ "vocab.json": pair.vocab }, "holds vocab.json but no merges.txt"],
    [
      { "vocab.json": pair.vocab, "merges.txt": "#version\nl o\nl o w" },
      'models/x/merges.txt, line 3: expected two tokens with a space between, found "l o w"',
    ],
    [{ "vocab.json": pair.vocab, "merges.txt": "l o\no w" }, '"ow", which its vocabulary lacks'],
    [{ "vocab.json": '{"a":0}', "merges.txt": "" }, "its vocabulary lacks the byte 0x00"],
    [{ "vocab.json": '{"a":"x"}', "merges.txt": "" }, 'the id of token "a" is "x"'],
    [changed(({ model }) => model["type"] = "Unigram"), 'its model is "Unigram"'],
    [changed(({ model }) => model["vocab"] = { "[UNK]": 0, a: 1, b: 1 }), "both have the id 1"],
    [changed(({ model }) => model["vocab"] = { "[UNK]": 0, a: -1 }), 'token "a" is -1'],
    [changed(({ model }) => model["vocab"] = { "[UNK]": 7 }), "has two ids: 7, 1"],
    [changed(({ model }) => delete model["vocab"]), 'its model has no "vocab"'],
    [bpe((model) => model.merges[3] = ["a"]), 'merge 3 is ["a"], not two tokens'],
    [bpe((model) => model.merges = "none" as never), 'no list of "merges"'],
  ];
  for (const [files, message] of cases) {
    await assertRejects(() => load(files), UserError, message);
  }
});

Deno.test("TextTokenizer() throws a UserError when a part of the file is unknown to the library", async () => {
  const { json } = await load({ "vocab.txt": BERT });
  assertThrows(
    () => new TextTokenizer({ ...json, normalizer: { type: "Shout" } }, {}, { source: "a.json" }),
    UserError,
    "a.json is no usable tokenizer",
  );
});
