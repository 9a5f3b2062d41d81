/** Figures of generated texts, beside those of the same number of real texts. */
import { accuracyOf } from "../../metrics/answers.ts";
import { corpusBleu, sentenceBleu } from "../../metrics/bleu.ts";
import { type LanguageReader, perplexityOf } from "../language_model/scores.ts";
import { mauve } from "../../metrics/mauve.ts";
import {
  accuracyFigure,
  type MeasuredFigure,
  numberFigure,
  percent,
} from "../../metrics/measured_figure.ts";
import { minimumBayesRisk } from "../../metrics/minimum_bayes_risk.ts";
import { classAgreement, type LabeledText, type TextClassifier } from "./text_classifier.ts";
import { rouge, type RougeScores } from "../../metrics/rouge.ts";
import {
  distinctN,
  diversity,
  memorisation,
  repetition,
  selfBleu,
  unknownWords,
} from "../../metrics/text_diversity.ts";
import type { SampledText } from "../sampling/session.ts";
import type { LanguageExample } from "../../vae/language_batches.ts";

/** Generated texts, and the texts that they are compared with. */
export interface ComparedTexts {
  readonly samples: readonly string[];
  readonly real: readonly string[]; // same number of held-out texts, cut to the length of the model
  readonly training: readonly string[]; // cut to the same length
}

/** A figure that would not mean what its name says, with the reason. */
export interface LeftOut {
  readonly name: string;
  readonly reason: string;
}

export function varietyFigures({ samples, real, training }: ComparedTexts): MeasuredFigure[] {
  const texts =
    `${samples.length} texts; beside it ${real.length} held-out texts, cut to the same ` +
    "length";
  const figure = (
    name: string,
    measure: (texts: readonly string[]) => number,
    how: string,
    format = percent,
  ) => numberFigure(name, measure(samples), `${how}; ${texts}`, { real: measure(real), format });
  const ofReal = distinctN(real, 4);
  return [
    ...[1, 2, 3, 4].map((n) =>
      figure(
        `Distinct-${n}`,
        (texts) => distinctN(texts, n),
        `number of different ${n}-grams of words by the number of all`,
      )
    ),
    ...(ofReal === 0 ? [] : [
      numberFigure(
        "Distinct-4, relative to real texts",
        distinctN(samples, 4) / ofReal,
        `the ratio of both; ${texts}`,
      ),
    ]),
    figure(
      "Diversity",
      diversity,
      "distinct-2 times distinct-3 times distinct-4",
      (value) => value.toFixed(3),
    ),
    figure(
      "Self-BLEU",
      (texts) => selfBleu(texts),
      "mean BLEU of each text against each other one, lower is more varied",
      (value) => value.toFixed(2),
    ),
    figure(
      "Repetition",
      (texts) => repetition(texts),
      "share of 4-grams that occurred before in the set",
    ),
    figure(
      "Unknown words",
      (texts) => unknownWords(texts, training),
      `share of words that occur nowhere in the ${training.length} training texts`,
    ),
    figure(
      "Memorised 4-grams",
      (texts) => memorisation(texts, training),
      `share of 4-grams that are in the ${training.length} training texts`,
    ),
  ];
}

function meanRouge(
  texts: readonly string[],
  references: readonly string[],
  key: keyof RougeScores,
) {
  const scores = texts.map((text, i) => rouge(text, references[i]!)[key].fMeasure);
  return scores.reduce((a, b) => a + b, 0) / scores.length;
}

/** BLEU and ROUGE against references, also of the candidates that minimum Bayes risk chooses. */
export function referenceFigures(texts: readonly SampledText[]): MeasuredFigure[] {
  const known = texts.filter(({ reference }) => reference !== undefined);
  if (known.length === 0) return [];
  const references = known.map(({ reference }) => reference!);
  const scores = (name: string, chosen: readonly string[], how: string): MeasuredFigure[] => {
    const protocol = `${chosen.length} texts, ${how}`;
    const bleu = corpusBleu(chosen, references).score;
    const keys = [["ROUGE-1", "rouge1"], ["ROUGE-2", "rouge2"], ["ROUGE-L", "rougeL"]] as const;
    return [
      numberFigure(`BLEU${name}`, bleu, `${protocol}; corpus BLEU as sacrebleu's 13a`),
      ...keys.map(([title, key]) =>
        numberFigure(
          `${title}${name}`,
          100 * meanRouge(chosen, references, key),
          `${protocol}; mean F, words as in rouge-score without a stemmer`,
        )
      ),
    ];
  };
  const first = scores("", known.map(({ text }) => text), "one sample for each reference");
  const candidates = known.map(({ text, candidates = [text] }) => candidates);
  const count = candidates[0]!.length;
  if (count === 1) return first;
  const bleu = (text: string, other: string) => sentenceBleu(text, other).score;
  const chosen = candidates.map((texts) => texts[minimumBayesRisk(texts, bleu)]!);
  const how = `the one of ${count} candidates with the highest mean BLEU against the others`;
  return [...first, ...scores(", minimum Bayes risk", chosen, how)];
}

/** A judge whose perplexity of real texts grows by more than this factor when they are held out knows its
 * training texts by heart, and tells little about others. */
const BY_HEART = 5;

/** Below this number of texts, MAUVE depends on the number more than on the texts. */
const LEAST_FOR_MAUVE = 200;

/** Perplexity under a GPT-2, and MAUVE by its features, unless the texts or the GPT-2 cannot carry them. */
export async function perplexityFigures(
  { read }: Pick<LanguageReader, "read">,
  { samples, real, training }: ComparedTexts,
  { sequence, name }: {
    /** The tokens of a text. */
    readonly sequence: (text: string) => LanguageExample;
    /** The description of the GPT-2. */
    readonly name: string;
  },
): Promise<{ readonly figures: MeasuredFigure[]; readonly leftOut: readonly LeftOut[] }> {
  const held = await read(real.map(sequence));
  const seen = await read(training.slice(0, real.length).map(sequence));
  const [ofHeld, ofSeen] = [perplexityOf(held), perplexityOf(seen)];
  if (ofHeld > BY_HEART * ofSeen) {
    const reason = `${name} knows its training texts by heart: their perplexity is ` +
      `${ofSeen.toFixed(1)}, that of held-out ones ${ofHeld.toFixed(1)}`;
    return { figures: [], leftOut: [{ name: "Perplexity", reason }, { name: "MAUVE", reason }] };
  }
  const generated = await read(samples.map(sequence));
  const compared =
    `${samples.length} texts and ${real.length} held-out ones, cut to the same length`;
  const perplexity = numberFigure(
    "Perplexity",
    perplexityOf(generated),
    `under ${name}, over all tokens, end tokens included; ${compared}`,
    { real: ofHeld, format: (value) => value.toFixed(1) },
  );
  const count = Math.min(samples.length, real.length);
  if (count < LEAST_FOR_MAUVE) {
    const reason = `it needs at least ${LEAST_FOR_MAUVE} samples and as many held-out texts, and ` +
      `there are ${samples.length} and ${real.length}`;
    return { figures: [perplexity], leftOut: [{ name: "MAUVE", reason }] };
  }
  const score = numberFigure(
    "MAUVE",
    mauve(held.features, generated.features),
    `features of ${name}, its last hidden state at the last token; ${
      Math.round(count / 10)
    } buckets, c = 5; ${compared}: figures of fewer than some thousand texts are too high, and ` +
      "are comparable only with those of the same number of texts",
    { format: (value) => value.toFixed(3) },
  );
  return { figures: [perplexity, score], leftOut: [] };
}

/** How often a classifier predicts the class that a text was generated from, or that a real one has. */
export function classFigures(
  classifier: TextClassifier,
  samples: readonly LabeledText[],
  real: readonly LabeledText[],
  { trained, kind, classes }: {
    readonly trained: number; // texts that the classifier was trained on
    readonly kind: "rating" | "label";
    readonly classes: readonly string[]; // their names
  },
): { readonly ofSamples: MeasuredFigure[]; readonly ofReal: MeasuredFigure[] } {
  const how = `logistic regression on words and pairs of words (${classifier.features}), with ` +
    `equal weights of the ${kind}s, trained here on ${trained} texts`;
  const heldOut = classAgreement(classifier, real);
  const names = [...new Set(samples.map(({ label }) => classes[label]))];
  const requested = names.length === 1
    ? `${kind} ${names[0]}`
    : `the ${kind}s ${names.join(", ")} in turn`;
  const figures = (what: string, { exact, withinOne }: typeof heldOut, protocol: string) => {
    if (kind === "label") return [accuracyFigure(what, accuracyOf(exact), protocol)];
    return [
      accuracyFigure(`${what}, exact`, accuracyOf(exact), protocol),
      accuracyFigure(`${what}, within one star`, accuracyOf(withinOne), protocol),
    ];
  };
  const [unit, name] = kind === "rating" ? ["reviews", "Rating"] : ["texts", "Label"];
  return {
    ofReal: figures(
      `${name} of real ${unit} predicted`,
      heldOut,
      `${real.length} held-out ${unit}; ${how}`,
    ),
    ofSamples: samples.length === 0 ? [] : figures(
      `Requested ${kind} predicted`,
      classAgreement(classifier, samples),
      `${samples.length} generated texts of ${requested}; ${how}`,
    ),
  };
}
