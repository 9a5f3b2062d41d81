import { assert, assertEquals, assertThrows } from "@std/assert";
import { UserError } from "../../../base/errors.ts";
import { countParameters } from "../../../nn/parameters.ts";
import {
  baselineAnswer,
  baselineSequences,
  checkBaseline,
  gpt2OfSize,
} from "../../../text/language_model/baseline.ts";
import type { LatentExample, TextData } from "../../../text/examples.ts";
import type { DenoiserConfig } from "../../../text/settings.ts";
import { trainBpe } from "../../../vae/tokenizer/bpe.ts";
import { gpt2Specs } from "../../../vae/gpt2.ts";
import { TextTokenizer } from "../../../vae/tokenizer/tokenizer.ts";

const PROBLEM: LatentExample = {
  source: "2 * 3",
  targets: ["2 + 2 = 4", "4 + 2 = 6 #### 6"],
  answer: "6",
};

Deno.test("baselineAnswer() is the answer alone, or thoughts with the answer", () => {
  assertEquals(baselineAnswer(PROBLEM, "direct"), "#### 6");
  assertEquals(baselineAnswer(PROBLEM, "cot"), "2 + 2 = 4 4 + 2 = 6 #### 6");
});

Deno.test("gpt2OfSize() has the width whose number of parameters is nearest, above or below", () => {
  const sizes = { layers: 2, heads: 2, vocabSize: 50, positions: 16, initializerRange: 0.02 };
  const count = (nEmbd: number) =>
    countParameters(gpt2Specs({
      vocabSize: 50,
      nPositions: 16,
      nEmbd,
      nLayer: 2,
      nHead: 2,
      layerNormEpsilon: 1e-5,
      initializerRange: 0.02,
    }));
  assertEquals(gpt2OfSize(count(24), sizes).nEmbd, 24);
  assertEquals(gpt2OfSize(Math.round(0.4 * count(24) + 0.6 * count(26)), sizes).nEmbd, 26);
  assertEquals(gpt2OfSize(Math.round(0.6 * count(24) + 0.4 * count(26)), sizes).nEmbd, 24);
  assertEquals(gpt2OfSize(1, sizes).nEmbd, 2);
});

Deno.test("baselineSequences() has labels for answers only, and their maximum length", () => {
  const { tokenizer: json, config } = trainBpe(["1 2 3"], { vocabSize: 300, splitDigits: true });
  const tokenizer = new TextTokenizer(json, config);
  const data = {
    examples: () => ({
      train: [PROBLEM, { source: "1", targets: ["#### 1"], answer: "1" }],
      validation: [PROBLEM, PROBLEM],
      test: [{ ...PROBLEM, source: "9 * 9 * 9" }],
      classes: null,
    }),
  } as unknown as TextData;
  const task = { data, config: { validationSize: 1 } as DenoiserConfig };
  const direct = baselineSequences({ ...task, kind: "direct" }, tokenizer);
  const cot = baselineSequences({ ...task, kind: "cot" }, tokenizer);
  const [example] = cot.train;
  const answer = tokenizer.decode(example!.ids.subarray(example!.given, -1));
  assertEquals(answer, "2 + 2 = 4 4 + 2 = 6 #### 6");
  assertEquals(cot.answerTokens, example!.ids.length - example!.given);
  assert(direct.answerTokens < cot.answerTokens);
  assertEquals([cot.train.length, cot.validation.length, cot.questions.length], [2, 1, 1]);
  assertEquals(tokenizer.decode(cot.questions[0]!.subarray(1, -1)), "9 * 9 * 9");
});

Deno.test("checkBaseline() refuses data without answers, and stage baseline without a kind", () => {
  checkBaseline("none", { condition: "rating" });
  checkBaseline("direct", { condition: "question" });
  assertThrows(
    () => checkBaseline("cot", { condition: "rating" }),
    UserError,
    "--baseline cot is for problems, which have answers",
  );
  checkBaseline("direct", { condition: "question" }, "baseline");
  assertThrows(
    () => checkBaseline("none", { condition: "question" }, "baseline"),
    UserError,
    "give that too, direct or cot",
  );
});
