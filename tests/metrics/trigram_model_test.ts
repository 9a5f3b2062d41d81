import { assertAlmostEquals } from "@std/assert";
import { TrigramModel } from "../../metrics/trigram_model.ts";

Deno.test("TrigramModel interpolates as Witten and Bell", () => {
  // One text, 0 1: its tokens are 0, 1 and the end; there are four possible outcomes.
  const model = new TrigramModel([[0, 1]], 3);
  // Without context each of the three was seen once, T = 3: (1 + 3/4) / (3 + 3).
  const seen = (1 + 3 / 4) / 6;
  const unseen = (3 / 4) / 6;
  // After 0, once 1: (1 + seen) / 2; after -1 0 the same again.
  assertAlmostEquals(model.probability(-1, 0, 1), (1 + (1 + seen) / 2) / 2, 1e-12);
  assertAlmostEquals(model.probability(-1, 0, 2), unseen / 4, 1e-12);
  // An unseen context has no effect.
  assertAlmostEquals(model.probability(2, 2, 0), seen, 1e-12);
});

Deno.test("TrigramModel's probabilities add up to 1", () => {
  const model = new TrigramModel([[0, 1, 2, 1], [2, 1, 0], [1]], 3);
  for (const [two, one] of [[-1, -1], [-1, 0], [2, 1], [0, 0]] as const) {
    const sum = [0, 1, 2, -1].reduce((a, id) => a + model.probability(two, one, id), 0);
    assertAlmostEquals(sum, 1, 1e-12);
  }
});

Deno.test("TrigramModel.perplexity() is that of the uniform distribution when there are no texts", () => {
  assertAlmostEquals(new TrigramModel([], 9).perplexity([[1, 2], [3]]), 10, 1e-9);
});
