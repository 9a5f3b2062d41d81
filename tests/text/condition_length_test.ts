import { assertThrows } from "@std/assert";
import { UserError } from "../../base/errors.ts";
import { checkConditionLengths, ConditionTokens } from "../../text/condition_tokens.ts";
import type { DenoiserConfig } from "../../text/settings.ts";
import { trainBpe } from "../../vae/tokenizer/bpe.ts";
import type { TextVaeConfig } from "../../vae/text_vae_config.ts";
import { TextTokenizer } from "../../vae/tokenizer/tokenizer.ts";

Deno.test("checkConditionLengths() refuses a question that would be cut, with every condition reader", () => {
  const { tokenizer, config } = trainBpe(["a b c d"], { vocabSize: 300, splitDigits: false });
  const encoderTokenizer = new TextTokenizer(tokenizer, config);
  const sizes = { encoder: { maxPositionEmbeddings: 6 }, decoder: { nPositions: 12 } };
  const stretches = { latentSource: "stretches", maxTokens: 4, latents: 2 };
  const vae = { config: { ...sizes, ...stretches } as TextVaeConfig, encoderTokenizer };
  const question = "abcd"; // a token a letter
  const check = (
    { source = question, tokens, ...changes }:
      & Partial<Pick<DenoiserConfig, "condition" | "conditionReader" | "thoughtPasses">>
      & { source?: string; tokens?: number },
  ) =>
    checkConditionLengths([{ source, targets: ["a", "b", "c"] }], {
      config: {
        condition: "question",
        conditionReader: "new",
        thoughtPasses: "single",
        ...changes,
      },
      vae,
      tokens: tokens === undefined
        ? undefined
        : new ConditionTokens(encoderTokenizer, tokens, "question"),
    });
  check({ tokens: 4 });
  assertThrows(() => check({ tokens: 3 }), UserError, "4 tokens, and the model reads 3");
  // The condition is the question and the first of three thoughts; the second is a given block.
  check({ tokens: 6, thoughtPasses: "multi" });
  assertThrows(() => check({ tokens: 5, thoughtPasses: "multi" }), UserError, '"abcd a"');
  // The autoencoder encodes each text by itself.
  check({ conditionReader: "latents", thoughtPasses: "multi" });
  assertThrows(
    () => check({ conditionReader: "latents", source: "abcde" }),
    UserError,
    "5 tokens, and the model reads 4",
  );
  check({ conditionReader: "latents", source: "abcde", condition: "summary" });
});
