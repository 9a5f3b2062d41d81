/** Compares TextTokenizer with the tokenizer class of npm:@huggingface/transformers. */
import { assertEquals } from "@std/assert";
import { trainBpe } from "../../../vae/tokenizer/bpe.ts";
import { TextTokenizer } from "../../../vae/tokenizer/tokenizer.ts";
import { wordPieceJson } from "../../../vae/tokenizer/vocab.ts";
import { permitted } from "../../permissions.ts";
import { HARD_TEXTS, REVIEWS } from "../corpus.ts";

const loads = permitted({ name: "ffi", path: "./node_modules" }, { name: "env" }, { name: "sys" });

/** transformers, or undefined if its native libraries do not load here. */
const transformers = loads
  ? await import("@huggingface/transformers").catch(() => undefined)
  : undefined;

Deno.test({
  name: "TextTokenizer agrees with transformers' PreTrainedTokenizer on ids and texts",
  ignore: transformers === undefined,
  fn: () => {
    const letters = [..."abcdefghijklmnopqrstuvwxyz0123456789.,'$!-<>|[]"];
    const lines = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "room", "##ly", ...letters];
    const vocab = [...lines, ...letters.map((letter) => `##${letter}`)].join("\n");
    const bert = wordPieceJson(vocab, {}, "vocab.txt");
    const byteLevel = trainBpe(REVIEWS, { vocabSize: 400, splitDigits: true });
    for (const { tokenizer, config } of [byteLevel, { tokenizer: bert, config: {} }]) {
      const ours = new TextTokenizer(tokenizer, config);
      const theirs = new transformers!.PreTrainedTokenizer(
        structuredClone(tokenizer),
        structuredClone({ ...config, clean_up_tokenization_spaces: false }),
      );
      for (const text of [...REVIEWS, ...HARD_TEXTS]) {
        const expected: number[] = theirs.encode(text);
        const ids = ours.encode(text, { addSpecialTokens: true });
        assertEquals([...ids], expected, text);
        assertEquals(ours.decode(ids), theirs.decode(expected, { skip_special_tokens: true }));
      }
    }
  },
});
