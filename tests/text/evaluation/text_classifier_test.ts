import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { fileURLToPath } from "node:url";
import {
  HOTEL_REVIEWS,
  type HotelReview,
  loadHotelReviews,
} from "../../../datasets/hotel_reviews.ts";
import {
  classAgreement,
  type LabeledText,
  trainTextClassifier,
  wordsAndPairs,
} from "../../../text/evaluation/text_classifier.ts";
import { randomStream } from "../../../nn/random.ts";
import { dataDir, hasRealData } from "../../datasets/real_data.ts";
import { permitted } from "../../permissions.ts";

const hasSample = permitted({ name: "read", path: fileURLToPath(HOTEL_REVIEWS.sample.folder) });

Deno.test("wordsAndPairs() has lower-case words and pairs of neighbours, each once", () => {
  assertEquals([...wordsAndPairs("Not good, not GOOD!")], ["not", "good", "not good", "good not"]);
  assertEquals(wordsAndPairs("...").size, 0);
});

Deno.test("trainTextClassifier() uses pairs of words, and gives classes equal weight", () => {
  const texts: LabeledText[] = [
    ...Array.from({ length: 40 }, () => ({ text: "the room was good", label: 1 })),
    ...Array.from({ length: 4 }, () => ({ text: "the room was not good", label: 0 })),
  ];
  const classifier = trainTextClassifier(texts, {
    classes: 3,
    random: randomStream(0),
    learningRate: 0.5,
  });
  assertEquals(classifier.classify("not good"), 0);
  assertEquals(classifier.classify("was good"), 1);
  // Uninformative words hardly favour the class that is ten times as frequent.
  const [rare, frequent, never] = classifier.probabilities("unheard of");
  assert(
    Math.abs(Math.log(frequent! / rare!)) < Math.log(3) && never! < Math.min(rare!, frequent!),
  );
  assertAlmostEquals(rare! + frequent! + never!, 1, 1e-12);
  const again = trainTextClassifier(texts, {
    classes: 3,
    random: randomStream(0),
    learningRate: 0.5,
  });
  assertEquals(again.probabilities("room"), classifier.probabilities("room"));
  assertThrows(
    () => trainTextClassifier([{ text: "a", label: 3 }], { classes: 3, random: randomStream(0) }),
    RangeError,
    "label 3 of 3 classes",
  );
});

Deno.test("classAgreement() compares exactly, and within one star", () => {
  const texts = ["0", "1", "2", "4"].map((text) => ({ text, label: 2 }));
  const { exact, withinOne } = classAgreement({ classify: Number }, texts);
  assertEquals(exact, [false, false, true, false]);
  assertEquals(withinOne, [false, true, true, false]);
});

/** The share of held-out reviews that are met, and that are missed by one at most. */
async function sharesOf(options: Parameters<typeof loadHotelReviews>[0]) {
  const { train, validation } = await loadHotelReviews(options);
  const labelled = (reviews: readonly HotelReview[]) =>
    reviews.map(({ text, rating }) => ({ text, label: rating - 1 }));
  const classifier = trainTextClassifier(labelled(train), {
    classes: 5,
    random: randomStream(0),
  });
  const { exact, withinOne } = classAgreement(classifier, labelled(validation));
  return [exact, withinOne].map((of) => of.filter(Boolean).length / of.length);
}

Deno.test({
  name: "trainTextClassifier() learns ratings of the bundled reviews",
  ignore: !hasSample,
  fn: async () => {
    const [exact, withinOne] = await sharesOf({ sampleOnly: true, validationSize: 100 });
    // The most frequent rating is that of 31, and guessing it or near it gives 55.
    assert(exact! > 0.31 && withinOne! > 0.65, `${exact} ${withinOne}`);
  },
});

Deno.test({
  name: "trainTextClassifier() is within one star for 80 % of real held-out reviews, and more",
  ignore: !hasRealData,
  fn: async () => {
    const [exact, withinOne] = await sharesOf({ dataDir: dataDir!, validationSize: 400 });
    assert(exact! > 0.5 && withinOne! > 0.85, `${exact} ${withinOne}`);
  },
});
