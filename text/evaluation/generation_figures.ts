/** Figures of texts that were drawn, each beside that of as many real ones: see text_diversity.ts. */
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
import { type LabeledText, ratingAgreement, type RatingClassifier } from "./rating_classifier.ts";
import { rouge, type RougeScores } from "../../metrics/rouge.ts";
import {
  distinctN,
  diversity,
  memorisation,
  repetition,
  selfBleu,
} from "../../metrics/text_diversity.ts";
import type { SampledText } from "../sampling/session.ts";
import type { LanguageExample } from "../../vae/language_batches.ts";

/** Drawn texts, and what they are compared with. */
export interface ComparedTexts {
  /** Drawn texts. */
  readonly samples: readonly string[];
  /** As many held-out texts, cut to what the model can say. */
  readonly real: readonly string[];
  /** The texts that were trained on, cut likewise. */
  readonly training: readonly string[];
}

/** Variety, repetition, and what is learned by heart. */
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
        `different ${n}-grams of words by all of the set`,
      )
    ),
    ...(ofReal === 0 ? [] : [
      numberFigure(
        "Distinct-4, by real texts'",
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
      "mean BLEU of each with each other as its reference, less is more varied",
      (value) => value.toFixed(2),
    ),
    figure("Repetition", (texts) => repetition(texts), "4-grams that occurred before in the set"),
    figure(
      "Memorised 4-grams",
      (texts) => memorisation(texts, training),
      `4-grams that are in the ${training.length} training texts`,
    ),
  ];
}

/** The mean of a ROUGE's F over texts. */
function meanRouge(
  texts: readonly string[],
  references: readonly string[],
  key: keyof RougeScores,
) {
  const scores = texts.map((text, i) => rouge(text, references[i]!)[key].fMeasure);
  return scores.reduce((a, b) => a + b, 0) / scores.length;
}

/** BLEU and ROUGE against what was to come out; and of the candidate that is most like the others. */
export function referenceFigures(texts: readonly SampledText[]): MeasuredFigure[] {
  const known = texts.filter(({ reference }) => reference !== undefined);
  if (known.length === 0) return [];
  const references = known.map(({ reference }) => reference!);
  const scores = (name: string, said: readonly string[], how: string): MeasuredFigure[] => {
    const protocol = `${said.length} texts, ${how}`;
    const bleu = corpusBleu(said, references).score;
    const keys = [["ROUGE-1", "rouge1"], ["ROUGE-2", "rouge2"], ["ROUGE-L", "rougeL"]] as const;
    return [
      numberFigure(`BLEU${name}`, bleu, `${protocol}; corpus BLEU as sacrebleu's 13a`),
      ...keys.map(([title, key]) =>
        numberFigure(
          `${title}${name}`,
          100 * meanRouge(said, references, key),
          `${protocol}; mean F, words as rouge-score has them without a stemmer`,
        )
      ),
    ];
  };
  const first = scores("", known.map(({ text }) => text), "one drawn for each reference");
  const candidates = known.map(({ text, candidates = [text] }) => candidates);
  const count = candidates[0]!.length;
  if (count === 1) return first;
  const bleu = (said: string, other: string) => sentenceBleu(said, other).score;
  const chosen = candidates.map((of) => of[minimumBayesRisk(of, bleu)]!);
  const how = `of ${count} candidates the one with the highest mean BLEU against the others`;
  return [...first, ...scores(", minimum Bayes risk", chosen, how)];
}

/** Perplexity under a GPT-2, and MAUVE by its features. */
export async function judgeFigures(
  { read }: Pick<LanguageReader, "read">,
  { samples, real }: Pick<ComparedTexts, "samples" | "real">,
  { sequence, judge }: {
    /** A text as the judge's tokens. */
    readonly sequence: (text: string) => LanguageExample;
    /** What the judge is called. */
    readonly judge: string;
  },
): Promise<MeasuredFigure[]> {
  const [drawn, held] = [await read(samples.map(sequence)), await read(real.map(sequence))];
  const compared =
    `${samples.length} texts and ${real.length} held-out ones, cut to the same length`;
  const perplexity = numberFigure(
    "Perplexity",
    perplexityOf(drawn),
    `under ${judge}, of all of its tokens, ends included; ${compared}`,
    { real: perplexityOf(held), format: (value) => value.toFixed(1) },
  );
  if (Math.min(samples.length, real.length) < 2) return [perplexity];
  const score = mauve(held.features, drawn.features);
  return [
    perplexity,
    numberFigure(
      "MAUVE",
      score,
      `features of ${judge}, its last hidden state at the last token; ${
        Math.max(2, Math.round(Math.min(samples.length, real.length) / 10))
      } buckets, c = 5; ${compared}: figures of fewer than some thousand texts are too high, and ` +
        "compare with none but those of as many",
      { format: (value) => value.toFixed(3) },
    ),
  ];
}

/** How often a classifier sees the rating that a text was asked for, and that a real one has. */
export function ratingFigures(
  classifier: RatingClassifier,
  samples: readonly LabeledText[],
  real: readonly LabeledText[],
  { trained }: { readonly trained: number },
): MeasuredFigure[] {
  const judge = `logistic regression on words and pairs of words (${classifier.features}), each ` +
    `rating weighing alike, trained here on ${trained} reviews`;
  const heldOut = ratingAgreement(classifier, real);
  const asked = [...new Set(samples.map(({ label }) => label + 1))];
  const stars = asked.length === 1
    ? `rating ${asked[0]}`
    : `the ratings ${asked.join(", ")} in turn`;
  const figures = (what: string, { exact, withinOne }: typeof heldOut, protocol: string) => {
    return [
      accuracyFigure(`${what}, exact`, accuracyOf(exact), protocol),
      accuracyFigure(`${what}, within one star`, accuracyOf(withinOne), protocol),
    ];
  };
  return [
    ...figures(
      "Rating of real reviews seen",
      heldOut,
      `${real.length} held-out reviews; ${judge}`,
    ),
    ...(samples.length === 0 ? [] : figures(
      "Rating asked for seen",
      ratingAgreement(classifier, samples),
      `${samples.length} drawn texts of ${stars}; ${judge}`,
    )),
  ];
}
