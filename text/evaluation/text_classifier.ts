/**
 * Predicts the class of a text, such as a review's rating, by multinomial logistic regression on its words and pairs of words
 * (Wang and Manning 2012), trained with AdaGrad (Duchi, Hazan and Singer 2011). It is small, and unlike the
 * models whose texts it classifies.
 */
import type { RandomStream } from "../../nn/random.ts";
import { argMax } from "../../metrics/arrays.ts";

export interface LabeledText {
  readonly text: string;
  readonly label: number; // its class, from 0
}

export interface TextClassifier {
  probabilities(text: string): Float64Array; // probability of each class [classes]
  classify(text: string): number; // likeliest class; the first, if several are equal
  readonly features: number; // number of words and pairs
}

/** The words of a text in lower case, and pairs of neighbouring words, each once. */
export function wordsAndPairs(text: string): Set<string> {
  const words = text.toLowerCase().match(/[\p{L}\p{N}']+/gu) ?? [];
  return new Set([...words, ...words.slice(1).map((word, i) => `${words[i]} ${word}`)]);
}

function softmax(logits: Float64Array): Float64Array {
  const most = Math.max(...logits);
  const powers = logits.map((logit) => Math.exp(logit - most));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
}

/** Trains a classifier. Every class has the same total weight, whatever its number of texts. */
export function trainTextClassifier(
  texts: readonly LabeledText[],
  { classes, random, epochs = 20, learningRate = 0.05, l2 = 1e-4, leastTexts = 2 }: {
    readonly classes: number;
    readonly random: RandomStream; // of the order of texts
    readonly epochs?: number;
    readonly learningRate?: number; // of AdaGrad
    readonly l2?: number; // weight of the squared weights in the loss of a text
    readonly leastTexts?: number; // words and pairs that occur in fewer are left out
  },
): TextClassifier {
  if (texts.length === 0) throw new RangeError("there are no texts to learn from");
  const perClass = Array<number>(classes).fill(0);
  for (const { label } of texts) {
    if (perClass[label] === undefined) throw new RangeError(`label ${label} of ${classes} classes`);
    perClass[label]++;
  }
  const found = texts.map(({ text }) => wordsAndPairs(text));
  const counts = new Map<string, number>();
  for (const names of found) {
    for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  const kept = [...counts].filter(([, count]) => count >= leastTexts);
  // The last place is the bias, which every text has.
  const places = new Map(kept.map(([name], place) => [name, place]));
  const bias = places.size;
  const inverse = Float64Array.from(kept, ([, count]) => Math.log(1 + texts.length / count));

  /** The features of a text: places, and values of norm 1. */
  const vectorOf = (names: ReadonlySet<string>) => {
    const own = [...names].map((name) => places.get(name)).filter((place) => place !== undefined);
    const norm = Math.hypot(...own.map((place) => inverse[place]!)) || 1;
    return {
      places: [...own, bias],
      values: [...own.map((place) => inverse[place]! / norm), 0.1],
    };
  };
  const weights = new Float64Array((bias + 1) * classes);
  const logitsOf = ({ places, values }: ReturnType<typeof vectorOf>) => {
    const logits = new Float64Array(classes);
    places.forEach((place, i) => {
      for (let c = 0; c < classes; c++) logits[c]! += values[i]! * weights[place * classes + c]!;
    });
    return logits;
  };

  const vectors = found.map(vectorOf);
  const squares = new Float64Array(weights.length).fill(1e-8);
  for (let epoch = 0; epoch < epochs; epoch++) {
    for (const row of random.at(epoch).permutation(texts.length)) {
      const { label } = texts[row]!;
      const vector = vectors[row]!;
      const errors = softmax(logitsOf(vector));
      errors[label]! -= 1;
      const share = texts.length / (classes * perClass[label]!);
      vector.places.forEach((place, i) => {
        for (let c = 0; c < classes; c++) {
          const at = place * classes + c;
          const gradient = share * errors[c]! * vector.values[i]! + l2 * weights[at]!;
          squares[at]! += gradient ** 2;
          weights[at]! -= learningRate * gradient / Math.sqrt(squares[at]!);
        }
      });
    }
  }
  const probabilities = (text: string) => softmax(logitsOf(vectorOf(wordsAndPairs(text))));
  return {
    probabilities,
    classify: (text) => argMax(probabilities(text)),
    features: places.size,
  };
}

/** Whether the predicted class of each text is right, and whether it differs by at most one. */
export function classAgreement(
  { classify }: Pick<TextClassifier, "classify">,
  texts: readonly LabeledText[],
) {
  const distances = texts.map(({ text, label }) => Math.abs(classify(text) - label));
  return {
    exact: distances.map((distance) => distance === 0),
    withinOne: distances.map((distance) => distance <= 1),
  };
}
