import { assertEquals } from "@std/assert";
import { CONDITION } from "../../text/denoiser/network.ts";
import { ConditionTokens, paddedLength } from "../../text/condition_tokens.ts";
import { trainBpe } from "../../vae/tokenizer/bpe.ts";
import { TextTokenizer } from "../../vae/tokenizer/tokenizer.ts";

Deno.test("paddedLength() is a multiple of 16 up to 64, then of 64", () => {
  assertEquals([1, 16, 17, 64, 65, 128, 129, 500].map(paddedLength), [
    16,
    16,
    32,
    64,
    128,
    128,
    192,
    512,
  ]);
  const lengths = new Set(Array.from({ length: 512 }, (_, i) => paddedLength(i + 1)));
  assertEquals(lengths.size, 11);
});

Deno.test("batch() pads to the longest text, at most to the limit, and masks the padding", () => {
  const files = trainBpe(["a b c"], { vocabSize: 300, splitDigits: false });
  const tokenizer = new TextTokenizer(files.tokenizer, files.config);
  const [cls, sep, pad] = ["cls", "sep", "pad"].map((name) => tokenizer.id(name as "cls"));
  const [a] = tokenizer.encode("a");
  const row = (length: number) => [cls, a, sep, ...Array(length - 3).fill(pad)];
  const wide = new ConditionTokens(tokenizer, 62).batch(["a", "a"]);
  assertEquals(wide[CONDITION.ids]!.shape, [2, 16]);
  assertEquals([...wide[CONDITION.ids]!.data], [...row(16), ...row(16)]);
  const ones = [1, 1, 1, ...Array(13).fill(0)];
  assertEquals([...wide[CONDITION.mask]!.data], [...ones, ...ones]);
  const narrow = new ConditionTokens(tokenizer, 4).batch(["a"]);
  assertEquals([...narrow[CONDITION.ids]!.data], row(6));
});
