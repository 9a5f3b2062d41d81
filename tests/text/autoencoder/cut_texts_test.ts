import { assert, assertEquals } from "@std/assert";
import { cutTexts, textPieces } from "../../../text/autoencoder/cut_texts.ts";
import type { TextVaeConfig } from "../../../vae/text_vae_config.ts";
import { trainBpe } from "../../../vae/tokenizer/bpe.ts";
import { TextTokenizer } from "../../../vae/tokenizer/tokenizer.ts";

const LONG = "nice hotel good location friendly staff clean room great breakfast, quiet at night";
const SHORT = "nice room";
const files = trainBpe([LONG, SHORT], { vocabSize: 400 });
const tokenizer = new TextTokenizer(files.tokenizer, files.config);
const maxTokens = 6;
const vae = { tokenizer, encoderTokenizer: tokenizer, config: { maxTokens } as TextVaeConfig };

Deno.test("textPieces() splits a text into pieces of at most maxTokens tokens", () => {
  const pieces = textPieces([LONG, "", SHORT], vae);
  assertEquals(pieces.at(-1), SHORT);
  const ofLong = pieces.slice(0, -1);
  assert(ofLong.length > 1);
  for (const piece of ofLong) {
    assert(tokenizer.encode(piece, { splitSpecialTokens: true }).length <= maxTokens);
  }
  // What is left at the end may be too short for a piece of its own.
  assert(LONG.startsWith(ofLong.join("")));
  assert(LONG.length - ofLong.join("").length < 12, ofLong.join("|"));
});

Deno.test("cutTexts() has the first piece of each text, and empty texts", () => {
  const [long, ...others] = cutTexts([LONG, "", SHORT], vae);
  assertEquals(others, ["", SHORT]);
  assertEquals(long, textPieces([LONG], vae)[0]);
});
