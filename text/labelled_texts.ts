/** Texts with a class or without, as data of text.ts: hotel reviews, and texts of one's own. */
import { usageError, UserError } from "../base/errors.ts";
import { quote } from "../base/quote.ts";
import {
  continuationPair,
  type HotelReviews,
  RATINGS,
  summaryPair,
} from "../datasets/hotel_reviews.ts";
import type { Split } from "../datasets/split.ts";
import { type LatentExample, noSuchCondition, type TextData } from "./examples.ts";
import type { DenoiserConfig } from "./settings.ts";

/** A text, and its class if it has one. */
export interface LabelledText {
  readonly text: string;
  readonly label?: number | undefined;
}

type Condition = DenoiserConfig["condition"];

const RATING_NAMES = Array.from({ length: RATINGS }, (_, i) => String(i + 1));

/** The names of a condition's classes; null without a class condition. */
function classesOf(
  condition: Condition,
  labels: readonly string[] | undefined,
): readonly string[] | null {
  if (condition === "rating") return RATING_NAMES;
  if (condition !== "label") return null;
  if (labels === undefined) {
    throw new UserError("the record of the run lacks the names of its labels");
  }
  return labels;
}

/** No texts, for sampling from a class or unconditionally. @param labels Those of the run's record. */
export function noTexts(condition: Condition, labels: readonly string[] | undefined): TextData {
  return {
    origin: "generated",
    sha256: {},
    description: "",
    rows: 0,
    train: [],
    validation: [],
    conditions: [],
    examples: () => ({
      train: [],
      validation: [],
      test: [],
      classes: classesOf(condition, labels),
    }),
  };
}

/** The texts, and the examples of each condition. */
export function textData(
  { train, validation, test }: Readonly<Record<keyof Split<unknown>, readonly LabelledText[]>>,
  { name, byClass, labels }: {
    readonly name: string; // the data set's
    readonly byClass: "rating" | "label" | undefined; // the condition with the texts' classes, if any
    readonly labels?: readonly string[] | undefined;
  },
): Pick<TextData, "train" | "validation" | "conditions" | "examples" | "labels"> {
  const pairsOf = (texts: readonly LabelledText[], pairOf: typeof summaryPair) =>
    texts.map(pairOf).filter((pair) => pair !== undefined)
      .map(({ condition, target }) => ({ source: condition, targets: [target] }));
  const withLabels = (texts: readonly LabelledText[]) =>
    texts.map(({ text, label }): LatentExample => ({
      targets: [text],
      ...label === undefined ? {} : { label },
    }));
  const kinds: Partial<Record<Condition, (texts: readonly LabelledText[]) => LatentExample[]>> = {
    none: (texts) => texts.map(({ text }) => ({ targets: [text] })),
    ...byClass === undefined ? {} : { [byClass]: withLabels },
    continuation: (texts) => pairsOf(texts, continuationPair),
    summary: (texts) => pairsOf(texts, summaryPair),
  };
  return {
    labels,
    train: train.map(({ text }) => text),
    validation: validation.map(({ text }) => text),
    conditions: [], // they are parts of texts
    examples: ({ condition }) => {
      const examples = kinds[condition];
      if (examples === undefined) throw noSuchCondition(name, condition, Object.keys(kinds));
      const parts = {
        train: examples(train),
        validation: examples(validation),
        test: examples(test),
      };
      const classes = classesOf(condition, labels);
      if (classes !== null) checkLearned(parts.train, classes);
      if (Object.values(parts).some(({ length }) => length === 0)) {
        throw usageError(`--condition ${condition}: too few texts have more than one sentence.`);
      }
      return { ...parts, classes };
    },
  };
}

/** @throws {UserError} If no training text has a class. */
function checkLearned(train: readonly LatentExample[], classes: readonly string[]): void {
  const learned = new Set(train.map(({ label }) => label));
  const missing = classes.find((_, label) => !learned.has(label));
  if (missing === undefined || classes === RATING_NAMES) return;
  throw usageError(
    `the label ${
      quote(missing)
    } has no text to train on, for all are held out: add texts of it, leave ` +
      "them out, or name another column or field of labels",
  );
}

/** Hotel reviews, with their ratings as classes. */
export function reviewData({ train, validation, ...provenance }: HotelReviews): TextData {
  const [learned, heldOut] = [train, validation].map((reviews) =>
    reviews.map(({ text, rating }) => ({ text, label: rating - 1 }))
  ) as [LabelledText[], LabelledText[]];
  return {
    ...provenance,
    rows: train.length + validation.length,
    ...textData(
      { train: learned, validation: heldOut, test: heldOut },
      { name: "hotel_reviews", byClass: "rating" },
    ),
  };
}
