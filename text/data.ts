/** What each data set of text.ts gives its stages: texts for the autoencoder, examples for the denoiser. */
import { loadGsm8k } from "../datasets/gsm8k.ts";
import {
  continuationPair,
  type HotelReview,
  loadHotelReviews,
  RATINGS,
  summaryPair,
} from "../datasets/hotel_reviews.ts";
import {
  generateMultiplication,
  multiplicationProblem,
  multiplicationTargets,
  type Operands,
} from "../datasets/multiplication.ts";
import type { Provenance } from "../datasets/sources.ts";
import { type ThoughtProblem, thoughtTargets } from "../datasets/thoughts.ts";
import { usageError } from "../base/errors.ts";
import { sha256 } from "../base/json.ts";
import { loadCommonsense } from "./commonsense_data.ts";
import { digitsOf } from "./config.ts";
import type { TextDiffusionConfig } from "./denoiser_flags.ts";
import type { TextConfig, TextFlags } from "./flags.ts";

/** What a denoiser learns from. */
export interface LatentExample {
  /** Texts, each of which becomes a block of latents: one, or a problem's thoughts. */
  readonly targets: readonly string[];
  /** The text that they are made from, if any. */
  readonly source?: string;
  /** The class that they are made from, if any. */
  readonly label?: number;
  /** A problem's right answer. */
  readonly answer?: string;
  /** What a problem offers to choose from: what it is called, and the text that it makes. */
  readonly options?: readonly { readonly name: string; readonly target: string }[];
  /** Which of the options is right. */
  readonly right?: number;
  /** Which set the example is scored in, where there are several. */
  readonly set?: string;
}

/** Examples of one kind. */
export interface LatentExamples {
  /** To train on. */
  readonly train: readonly LatentExample[];
  /** To measure with while training. */
  readonly validation: readonly LatentExample[];
  /** To be scored in the end; the held-out ones where there are no others. */
  readonly test: readonly LatentExample[];
  /** Classes of a class condition; null without. */
  readonly classes: number | null;
}

/** Where data came from. */
interface DataSource extends Pick<Provenance, "sha256" | "description"> {
  /** The kind of place; "sample" is a small part of the set, or stands in for it. */
  readonly origin: Provenance["origin"] | "generated";
}

/** A data set, loaded. */
export interface TextData extends DataSource {
  /** Rows of it. */
  readonly rows: number;
  /** Texts to train the autoencoder on. */
  readonly train: readonly string[];
  /** Texts to measure the autoencoder with. */
  readonly validation: readonly string[];
  /** Further texts that tokens are learned from: what a denoiser's conditions say. */
  readonly conditions: readonly string[];
  /**
   * What the denoiser is trained on.
   *
   * @throws {UserError} If the data set has no such condition.
   */
  examples(config: Pick<TextDiffusionConfig, "condition" | "maxThoughts">): LatentExamples;
}

/**
 * Loads a data set and says where it came from. The smoke preset is content with a bundled sample.
 *
 * @throws {UserError} If it cannot be loaded.
 */
export async function loadTextData(
  { dataDir, preset }: TextFlags,
  { dataset, digits, trainSize, validationSize }:
    & Pick<TextConfig, "dataset" | "digits" | "validationSize">
    & Partial<Pick<TextConfig, "trainSize">>,
  sampleOnly: boolean = preset === "smoke",
): Promise<TextData> {
  const options = {
    dataDir,
    dataDirName: "--data-dir",
    sampleOnly: sampleOnly && dataDir === undefined,
    log: (line: string) => console.error(line),
  };
  const data = await {
    hotel_reviews: async () =>
      reviewData(
        await loadHotelReviews({ ...options, validationSize }).catch((error) => {
          if (!(error instanceof RangeError)) throw error;
          throw usageError(`--validation-size ${validationSize}: ${error.message}`);
        }),
      ),
    commonsense: () => loadCommonsense({ ...options, size: trainSize }, validationSize),
    multiplication: () => multiplicationData(digits, validationSize),
    math: async () => {
      const { train, validation, test, ...provenance } = await loadGsm8k(options);
      // Its questions are longer than thoughts: an autoencoder of both would be one of questions.
      return problemData({ train, validation, test }, provenance, { validationSize });
    },
  }[dataset]();
  console.log(data.description);
  return data;
}

/** No texts at all, for drawing some that are made from a rating or from nothing. */
export function noTexts(condition: "none" | "rating"): TextData {
  const classes = condition === "rating" ? RATINGS : null;
  return {
    ...{ origin: "generated", sha256: {}, description: "", rows: 0 },
    ...{ train: [], validation: [], conditions: [] },
    examples: () => ({ train: [], validation: [], test: [], classes }),
  };
}

function reviewData(
  { train, validation, ...provenance }: Awaited<ReturnType<typeof loadHotelReviews>>,
): TextData {
  const pairsOf = (reviews: readonly HotelReview[], pairOf: typeof summaryPair) =>
    reviews.map(pairOf).filter((pair) => pair !== undefined)
      .map(({ condition, target }) => ({ source: condition, targets: [target] }));
  const kinds: Partial<
    Record<TextDiffusionConfig["condition"], (reviews: readonly HotelReview[]) => LatentExample[]>
  > = {
    none: (reviews) => reviews.map(({ text }) => ({ targets: [text] })),
    rating: (reviews) =>
      reviews.map(({ text, rating }) => ({ targets: [text], label: rating - 1 })),
    continuation: (reviews) => pairsOf(reviews, continuationPair),
    summary: (reviews) => pairsOf(reviews, summaryPair),
  };
  const textOf = ({ text }: HotelReview) => text;
  return {
    ...provenance,
    rows: train.length + validation.length,
    train: train.map(textOf),
    validation: validation.map(textOf),
    conditions: [], // they are parts of reviews
    examples: ({ condition }) => {
      const examples = kinds[condition];
      if (examples === undefined) throw noSuchCondition("hotel_reviews", condition, kinds);
      const heldOut = examples(validation);
      return {
        train: examples(train),
        validation: heldOut,
        test: heldOut,
        classes: condition === "rating" ? RATINGS : null,
      };
    },
  };
}

/** Problems in three parts. */
interface Problems {
  readonly train: readonly ThoughtProblem[];
  readonly validation: readonly ThoughtProblem[];
  readonly test: readonly ThoughtProblem[];
}

async function multiplicationData(digits: string, validationSize: number): Promise<TextData> {
  const [n, m] = digitsOf(digits);
  const generated = generateMultiplication({ digits: [n, m] });
  const written = (operands: readonly Operands[]) =>
    operands.map((pair) => multiplicationProblem(pair, [n, m]));
  const { train, validation, test } = generated;
  const problems = { train: written(train), validation: written(validation), test: written(test) };
  const provenance: DataSource = {
    origin: "generated",
    sha256: {
      [`${digits} digits`]: await sha256(
        new TextEncoder().encode(JSON.stringify([train, validation, test])),
      ),
    },
    description:
      `Multiplication of ${digits} digits, generated: ${train.length} problems to train ` +
      `on, ${validation.length} and ${test.length} held out, none with the same numbers.`,
  };
  return problemData(problems, provenance, {
    ...{ validationSize, questions: true, targetsOf: multiplicationTargets },
  });
}

function problemData(
  problems: Problems,
  provenance: DataSource,
  { validationSize, questions = false, targetsOf = thoughtTargets }: {
    validationSize: number;
    questions?: boolean;
    targetsOf?: typeof thoughtTargets;
  },
): TextData {
  const { train, validation, test } = problems;
  const textsOf = (problems: readonly ThoughtProblem[]) => [
    ...new Set(
      problems.flatMap((problem) => [
        ...questions ? [problem.question] : [],
        ...targetsOf(problem),
      ]),
    ),
  ];
  return {
    ...provenance,
    rows: train.length + validation.length + test.length,
    train: textsOf(train),
    validation: textsOf(validation).slice(0, validationSize),
    conditions: train.map(({ question }) => question),
    examples: ({ condition, maxThoughts }) => {
      if (condition !== "question") {
        throw noSuchCondition("multiplication and math", condition, { question: true });
      }
      const examplesOf = (problems: readonly ThoughtProblem[]) =>
        problems.map((problem): LatentExample => ({
          source: problem.question,
          targets: targetsOf(problem),
          answer: problem.answer,
        }));
      const short = ({ targets }: LatentExample) => targets.length <= maxThoughts;
      const [train, validation] = [problems.train, problems.validation].map((part) =>
        examplesOf(part).filter(short)
      ) as [LatentExample[], LatentExample[]];
      if (train.length === 0 || validation.length === 0) {
        throw usageError(
          `--max-thoughts ${maxThoughts} leaves no problem to learn from: raise it.`,
        );
      }
      return { train, validation, test: examplesOf(problems.test), classes: null };
    },
  };
}

function noSuchCondition(dataset: string, condition: string, kinds: object) {
  return usageError(
    `--condition ${condition} is not for --dataset ${dataset}: use one of ` +
      `${Object.keys(kinds).join(", ")}.`,
  );
}
