import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { pairwiseBleu, sentenceBleu } from "../../metrics/bleu.ts";
import { areaUnderBleu } from "../../metrics/bleu.ts";
import { minimumBayesRisk } from "../../metrics/minimum_bayes_risk.ts";
import { splitWords } from "../../metrics/ngrams.ts";
import { rouge } from "../../metrics/rouge.ts";
import {
  distinctN,
  diversity,
  memorisation,
  repetition,
  selfBleu,
  unknownWords,
} from "../../metrics/text_diversity.ts";
import { assertAllClose } from "../assert_close.ts";

// Computed by hand: 8 words; "the", "room" and "was" occur twice.
const ROOM = ["the room was clean the room was big"];
const ORDERS = [1, 2, 3, 4];

Deno.test("distinctN() gives PLANNER's values", () => {
  assertAllClose(ORDERS.map((n) => distinctN(ROOM, n)), [5 / 8, 5 / 7, 5 / 6, 1], { rtol: 1e-12 });
  // The n-grams of all texts are counted together, and none spans two texts.
  assertEquals(distinctN(["a b", "a b", "b a"], 2), 2 / 3);
  assertEquals(distinctN(["a b"], 3), 0);
  assertEquals(distinctN([], 1), 0);
});

Deno.test("diversity() gives the product of distinct-2 to distinct-4", () => {
  assertAlmostEquals(diversity(ROOM), 0.5952381, 5e-8);
});

Deno.test("repetition() gives the share of 4-grams that occurred before", () => {
  assertEquals(repetition(ROOM), 0);
  assertEquals(repetition(["a b c d", "a b c d"]), 0.5);
  assertEquals(repetition(["a b c"]), 0);
});

Deno.test("unknownWords() gives the share of words that no training text has, whatever their case", () => {
  const training = ["The maid's room, No. 12.", "Nice!"];
  assertEquals(unknownWords(["the room", "Nice bathroim in room 7"], training), 2 / 6); // bathroim, in
  assertEquals(unknownWords(["the maid's café"], training), 1 / 3);
  assertEquals(unknownWords(["12 !"], training), 0);
});

Deno.test("memorisation() gives the share of 4-grams that the training texts contain", () => {
  const training = ["the room was clean and big", "we left"];
  assertEquals(memorisation(["the room was clean we left early"], training), 1 / 4);
  assertEquals(memorisation(training, training), 1);
  assertEquals(memorisation(["too short"], training), 0);
});

const TEXTS = [
  "I am waiting on the beach",
  "He is walking on the beach",
  "Breakfast was good.",
];

Deno.test("pairwiseBleu() gives sentenceBleu() of each text against each", () => {
  const options = { smoothing: "floor", smoothValue: 0.01 } as const;
  const expected = TEXTS.map((hypothesis) =>
    TEXTS.map((reference) => sentenceBleu(hypothesis, reference, options).score)
  );
  assertEquals(pairwiseBleu(TEXTS, options), expected);
  assertAlmostEquals(expected[0]![1]!, 11.3622, 5e-5);
});

Deno.test("selfBleu() gives the mean over pairs of different texts", () => {
  assertAlmostEquals(selfBleu(TEXTS.slice(0, 2)), 11.3622, 5e-5);
  // The third shares no token with the others: four of the six ordered pairs give 0.
  assertAlmostEquals(selfBleu(TEXTS), 11.3622 / 3, 5e-5);
  assertAlmostEquals(selfBleu(TEXTS, { limit: 2 }), 11.3622, 5e-5);
  assertAlmostEquals(selfBleu(["a b c d e", "a b c d e"]), 100, 1e-9);
  assertEquals([selfBleu([]), selfBleu(["alone"])], [0, 0]);
});

Deno.test("minimumBayesRisk() chooses the candidate that is most like the others", () => {
  const utility = (a: string, b: string) => rouge(a, b).rouge1.fMeasure;
  const candidates = ["a dirty room", "a clean room", "a clean big room", "nothing"];
  // The sums are 4/3 + ..., by hand: 2/3+4/7, 2/3+6/7, 4/7+6/7, 0.
  assertEquals(minimumBayesRisk(candidates, utility), 1);
  assertEquals(minimumBayesRisk(["x", "y"], utility), 0);
  assertThrows(() => minimumBayesRisk([], utility), RangeError, "0 candidates");
});

Deno.test("areaUnderBleu() gives the area for points in any order", () => {
  const points = [[1, 80], [0, 0], [0.5, 40]] as const;
  const of = (list: readonly (readonly [number, number])[]) =>
    areaUnderBleu(list.map(([alphaCumprod, bleu]) => ({ alphaCumprod, bleu })));
  assertEquals(of(points), 40);
  assertAlmostEquals(of([[0.25, 10], [0.75, 30]]), 10, 1e-12);
  assertThrows(() => of([[1, 80]]), RangeError, "1 points; AuBLEU needs at least 2");
  for (const alpha of [-0.1, 1.1, NaN]) {
    assertThrows(() => of([[0, 0], [alpha, 1]]), RangeError, `alphaCumprod is ${alpha}`);
  }
});

Deno.test("splitWords() splits as Python's split()", () => {
  assertEquals(splitWords(" a\u00a0b\u3000c\tb\u200bd\ufeff\x1ce\n"), [
    "a",
    "b",
    "c",
    "b\u200bd\ufeff",
    "e",
  ]);
  assertEquals(splitWords(" "), []);
});
