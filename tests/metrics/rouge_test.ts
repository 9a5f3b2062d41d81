import { assertEquals } from "@std/assert";
import { longestCommonSubsequence, rouge, type RougeScore } from "../../metrics/rouge.ts";
import { assertAllClose } from "../assert_close.ts";
import { fixtureJson, hasFixture } from "../fixtures.ts";

const numbers = ({ precision, recall, fMeasure }: RougeScore) => [precision, recall, fMeasure];

Deno.test("rouge() gives rouge-score's precision, recall and F", {
  ignore: !hasFixture("text_metrics.json"),
}, async () => {
  const { pairs, rouge: expected } = await fixtureJson("text_metrics.json");
  for (const [i, { hypothesis, reference }] of pairs.entries()) {
    const scores = rouge(hypothesis, reference);
    for (const type of ["rouge1", "rouge2", "rougeL"] as const) {
      const { p, r, f } = expected[i][type];
      assertAllClose(numbers(scores[type]), [p, r, f], { rtol: 1e-12 });
    }
  }
});

Deno.test("rouge() gives the published scores of rouge-score's tests", () => {
  const target = "testing one two";
  const cases = [
    ["testing", "rouge1", [1, 1 / 3, 1 / 2]],
    ["testing one", "rouge2", [1, 1 / 2, 2 / 3]],
    ["testing one", "rougeL", [1, 2 / 3, 4 / 5]],
    ["testing two", "rougeL", [1, 2 / 3, 4 / 5]],
    ["", "rouge1", [0, 0, 0]],
    ["", "rouge2", [0, 0, 0]],
    ["", "rougeL", [0, 0, 0]],
  ] as const;
  for (const [prediction, type, expected] of cases) {
    assertAllClose(numbers(rouge(prediction, target)[type]), [...expected], { rtol: 1e-12 });
  }
});

Deno.test("rouge() compares letters and digits only and ignores case", () => {
  assertAllClose(numbers(rouge("LOVED it!!!", "loved -- it").rouge2), [1, 1, 1], { rtol: 0 });
  // Letters other than a to z separate words, as in rouge-score.
  assertAllClose(numbers(rouge("café", "caf").rouge1), [1, 1, 1], { rtol: 0 });
});

Deno.test("longestCommonSubsequence() counts elements in order with gaps between them", () => {
  assertEquals(longestCommonSubsequence([1, 2, 3, 4, 5], [2, 5, 3, 4]), 3);
  assertEquals(longestCommonSubsequence([], [1]), 0);
  assertEquals(longestCommonSubsequence([1, 2], [2, 1]), 1);
});
