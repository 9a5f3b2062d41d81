/** Readers of tokenizers, in each of the forms in which they come, and the texts that go through them. */
import { assert } from "@std/assert";
import { BYTE_SYMBOLS, trainBpe } from "../../vae/tokenizer/bpe.ts";
import { loadTokenizer } from "../../vae/tokenizer/files.ts";
import { wordPieceJson } from "../../vae/tokenizer/vocab.ts";
import { REVIEWS } from "../vae/corpus.ts";
import { type Dice, mutateBytes, mutateJson } from "./mutate.ts";
import { survives } from "./survive.ts";

const encode = (value: string) => new TextEncoder().encode(value);

const { tokenizer: BPE, config: CONFIG } = trainBpe(REVIEWS.slice(0, 3), { vocabSize: 280 });
const LINES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "un", "##aff", "##able", "."]
  .join("\n") + "\n";
const WORD_PIECE = wordPieceJson(LINES, {}, "vocab.txt");
const VOCAB = Object.fromEntries([...BYTE_SYMBOLS, "th"].map((token, id) => [token, id]));

type Files = Record<string, Uint8Array<ArrayBuffer>>;

/** A vocabulary is most of a tokenizer.json: what else there is has to be changed as often. */
function changed(json: unknown, dice: Dice): Uint8Array<ArrayBuffer> {
  const { model, ...rest } = json as { model: Record<string, unknown> };
  const kind = dice.below(3);
  if (kind === 0) return mutateJson(json, dice);
  const { vocab, merges, ...settings } = model;
  const [part, whole] = kind === 1
    ? [rest, (other: object) => ({ ...other, model })]
    : [settings, (other: object) => ({ ...rest, model: { ...other, vocab, merges } })];
  try {
    const other: unknown = JSON.parse(new TextDecoder().decode(mutateJson(part, dice)));
    return encode(JSON.stringify(whole(other as object)));
  } catch {
    return mutateJson(json, dice); // where the bytes were changed as well
  }
}

function tokenizer(name: string, input: (dice: Dice) => Files): void {
  survives({
    name,
    input,
    read: async (files) => {
      const read = (name: string) =>
        Promise.resolve(Object.hasOwn(files, name) ? files[name] : undefined);
      const opened = await loadTokenizer("a/model", { read });
      const text = "The unaffable hotel, 12 rooms. [SEP] \u00e9\u{1f600}";
      const ids = opened.encode(text, { addSpecialTokens: true });
      const plain = opened.encode(text, { splitSpecialTokens: true });
      for (const id of [...ids, ...plain]) assert(id >= 0 && id < opened.vocabSize, `the id ${id}`);
      const decoded = opened.decode(ids);
      assert(typeof decoded === "string");
      return { ids: [...ids], size: opened.vocabSize, roles: { ...opened.specialTokens } };
    },
    names: /^a\/model/,
  });
}

tokenizer("tokenizer.json of BPE", (dice) => ({ "tokenizer.json": changed(BPE, dice) }));

tokenizer("tokenizer.json of WordPiece", (dice) => ({
  "tokenizer.json": changed(WORD_PIECE, dice),
}));

tokenizer("tokenizer_config.json", (dice) => ({
  "tokenizer.json": encode(JSON.stringify(WORD_PIECE)),
  "tokenizer_config.json": mutateJson(CONFIG, dice),
}));

tokenizer("vocab.txt", (dice) => ({ "vocab.txt": mutateBytes(encode(LINES), dice) }));

tokenizer("vocab.json and merges.txt", (dice) => {
  const merges = encode("#version: 0.2\nt h\n");
  return dice.below(2) === 0
    ? { "vocab.json": mutateJson(VOCAB, dice), "merges.txt": merges }
    : { "vocab.json": encode(JSON.stringify(VOCAB)), "merges.txt": mutateBytes(merges, dice) };
});
