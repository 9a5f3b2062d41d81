/** Loads the data sets of text.ts. */
import { type CountdownPart, countdownProblem } from "../datasets/countdown.ts";
import { loadGsm8k } from "../datasets/gsm8k.ts";
import { loadHotelReviews } from "../datasets/hotel_reviews.ts";
import {
  generateMultiplication,
  multiplicationProblem,
  multiplicationTargets,
  type Operands,
} from "../datasets/multiplication.ts";
import { type ThoughtProblem, thoughtTargets } from "../datasets/thoughts.ts";
import { usageError } from "../base/errors.ts";
import { sha256 } from "../base/json.ts";
import { loadCommonsense } from "./commonsense_data.ts";
import { digitsOf } from "./config.ts";
import { type DataSource, type LatentExample, noSuchCondition, type TextData } from "./examples.ts";
import { reviewData } from "./labelled_texts.ts";
import {
  type OwnDataSettings,
  ownSource,
  ownTextData,
  readOwnData,
  splitProblems,
} from "./own_data.ts";
import type { TextConfig, TextFlags } from "./settings.ts";

/** Loads a data set, or its bundled sample: by default only in the preset smoke. */
export async function loadTextData(
  { dataDir, preset }: TextFlags,
  config:
    & Pick<TextConfig, "digits" | "numbers" | "validationSize">
    & Partial<Pick<TextConfig, "trainSize">>
    & OwnDataSettings,
  { sampleOnly = preset === "smoke", log = () => {} }: {
    readonly sampleOnly?: boolean | undefined;
    readonly log?: (line: string) => void;
  } = {},
): Promise<TextData> {
  const { dataset, digits, trainSize, validationSize } = config;
  const options = {
    dataDir,
    dataDirName: "--data-dir",
    sampleOnly: sampleOnly && dataDir === undefined,
    log,
  };
  return await {
    hotel_reviews: async () =>
      reviewData(
        await loadHotelReviews({ ...options, validationSize }).catch((error) => {
          if (!(error instanceof RangeError)) throw error;
          throw usageError(`--validation-size ${validationSize}: ${error.message}`);
        }),
      ),
    commonsense: () => loadCommonsense({ ...options, size: trainSize }, validationSize),
    multiplication: () => multiplicationData(digits, validationSize, { few: sampleOnly }),
    math: async () => {
      const { train, validation, test, ...provenance } = await loadGsm8k(options);
      // Its questions are longer than thoughts: the autoencoder would mostly learn questions.
      return problemData({ train, validation, test }, provenance, { validationSize });
    },
    countdown: () => countdownData(config.numbers, validationSize, { few: sampleOnly }),
    sudoku: () => {
      throw usageError("--dataset sudoku is for --diffusion masked: boards are no texts.");
    },
    texts: async () => ownTextData((await readOwnData(config))!, validationSize),
    problems: async () => {
      const file = (await readOwnData(config))!;
      const split = splitProblems(file, validationSize);
      return problemData(split, ownSource(file, split), { validationSize });
    },
  }[dataset]();
}

/** Problems of a preset that only tries every part. */
const FEW = 1000;

async function multiplicationData(
  digits: string,
  validationSize: number,
  { few }: { few: boolean },
): Promise<TextData> {
  const [n, m] = digitsOf(digits);
  const { train, validation, test } = generateMultiplication({
    digits: [n, m],
    train: few ? FEW : undefined,
  });
  const written = (operands: readonly Operands[]) =>
    operands.map((pair) => multiplicationProblem(pair, [n, m]));
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
    validationSize,
    questions: true,
    targetsOf: multiplicationTargets,
  });
}

const COUNTDOWN_SIZES = { train: 100_000, validation: 1000, test: 1000 };

async function countdownData(
  numbers = 4,
  validationSize: number,
  { few }: { few: boolean },
): Promise<TextData> {
  const sizes = few ? { ...COUNTDOWN_SIZES, train: FEW } : COUNTDOWN_SIZES;
  const made = (part: CountdownPart) =>
    Array.from({ length: sizes[part] }, (_, i) => countdownProblem(i, { part, numbers }));
  const problems = { train: made("train"), validation: made("validation"), test: made("test") };
  const provenance: DataSource = {
    origin: "generated",
    sha256: {
      [`countdown ${numbers}`]: await sha256(
        new TextEncoder().encode(JSON.stringify(problems.test)),
      ),
    },
    description: `Countdown with ${numbers} numbers, generated: ${sizes.train} problems to train ` +
      `on, ${sizes.validation} and ${sizes.test} held out; their targets are trained on nowhere.`,
  };
  return problemData(problems, provenance, { validationSize });
}

function problemData(
  problems: Readonly<Record<"train" | "validation" | "test", readonly ThoughtProblem[]>>,
  provenance: DataSource,
  { validationSize, questions = false, targetsOf = thoughtTargets }: {
    validationSize: number;
    questions?: boolean;
    targetsOf?: typeof thoughtTargets;
  },
): TextData {
  const { train, validation, test } = problems;
  const textsOf = (problems: readonly ThoughtProblem[]) => {
    const texts = problems.flatMap((problem) =>
      questions ? [problem.question, ...targetsOf(problem)] : targetsOf(problem)
    );
    return [...new Set(texts)];
  };
  return {
    ...provenance,
    rows: train.length + validation.length + test.length,
    train: textsOf(train),
    validation: textsOf(validation).slice(0, validationSize),
    conditions: train.map(({ question }) => question),
    examples: ({ condition, maxThoughts }) => {
      if (condition !== "question") {
        throw noSuchCondition("multiplication, countdown and math", condition, ["question"]);
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
