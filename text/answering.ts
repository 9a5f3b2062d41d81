/** Answering problems in batches, scoring the answers, and timing: common to denoisers and baselines. */
import { csv } from "../base/csv.ts";
import { solvesCountdown } from "../datasets/countdown.ts";
import { ANSWER_MARK } from "../datasets/thoughts.ts";
import {
  type Accuracy,
  accuracyByVotes,
  decimalNumber,
  exactMatch,
  extractDigits,
  extractNumber,
} from "../metrics/answers.ts";
import type { LatentExample } from "./examples.ts";

/** Problems that the speed at batch size 1 is measured with. */
const TIMED_PROBLEMS = 10;

/** Samples each item several times, in batches: [count][rounds]. `numbers` are unique. */
export async function sampleRounds<T>(
  count: number,
  { rounds, batchSize, order = [...Array(count).keys()], onProgress }: {
    readonly rounds: number;
    readonly batchSize: number;
    readonly order?: readonly number[];
    readonly onProgress?: (done: number) => void;
  },
  sample: (items: readonly number[], numbers: readonly number[]) => Promise<readonly T[]>,
): Promise<T[][]> {
  const results: T[][] = Array.from({ length: count }, () => []);
  for (let round = 0; round < rounds; round++) {
    for (let start = 0; start < count; start += batchSize) {
      const items = order.slice(start, start + batchSize);
      const sampled = await sample(items, items.map((item) => round * count + item));
      items.forEach((item, i) => results[item]!.push(sampled[i]!));
      onProgress?.(round * count + start + items.length);
    }
  }
  return results;
}

/** Answers the first problems one by one, after one that compiles graphs; `now` is in milliseconds. */
export async function timeSingleProblems<T>(
  count: number,
  answer: (item: number) => Promise<T>,
  now: () => number,
): Promise<{ readonly answers: readonly T[]; readonly seconds: number }> {
  await answer(0);
  const started = now();
  const answers: T[] = [];
  for (let item = 0; item < Math.min(count, TIMED_PROBLEMS); item++) {
    answers.push(await answer(item));
  }
  return { answers, seconds: (now() - started) / 1000 };
}

export interface Scores {
  readonly expected: readonly string[]; // right answers, without spaces
  /** Accuracy of majority votes over the first 1, 2, ... samples. */
  readonly byVotes: readonly Accuracy[];
  /** Whether a solution of a problem is right. */
  readonly isRight: (item: number, solution: string) => boolean;
}

/** Scores the solutions [problems][samples] by the answers in them: digits, or numbers. */
export function scoreSolutions(
  dataset: string,
  examples: readonly LatentExample[],
  solutions: readonly (readonly string[])[],
): Scores {
  if (dataset === "problems") return scoreOwnProblems(examples, solutions);
  if (dataset === "countdown") return scoreCountdown(examples, solutions);
  const answerOf = dataset === "multiplication" ? extractDigits : extractNumber;
  const expected = examples.map(({ answer }) => {
    const right = answer!.replace(/\s+/g, "");
    return dataset === "multiplication" ? right : decimalNumber(right)!;
  });
  return {
    expected,
    byVotes: accuracyByVotes(solutions.map((texts) => texts.map(answerOf)), expected),
    isRight: (item, solution) => exactMatch(answerOf(solution), expected[item]!),
  };
}

/** Scores solutions of Countdown: any equations that reach the target are right. */
function scoreCountdown(
  examples: readonly LatentExample[],
  solutions: readonly (readonly string[])[],
): Scores {
  const expected = examples.map(({ answer }) => answer!);
  const isRight = (item: number, solution: string) =>
    solvesCountdown(examples[item]!.source!, solution);
  const votes = solutions.map((texts, item) =>
    texts.map((text) => isRight(item, text) ? expected[item] : undefined)
  );
  return { expected, byVotes: accuracyByVotes(votes, expected), isRight };
}

/** Whether all answers are decimal numbers. */
export function areNumbers(answers: readonly string[]): boolean {
  return answers.every((answer) => decimalNumber(answer) !== undefined);
}

/** Scores solutions of the user's problems: answers are compared as numbers if all are, or else as texts. */
function scoreOwnProblems(
  examples: readonly LatentExample[],
  solutions: readonly (readonly string[])[],
): Scores {
  const right = examples.map(({ answer }) => answer!);
  const asNumbers = areNumbers(right);
  const formOf = (text: string) => asNumbers ? decimalNumber(text) : text;
  const answerOf = (solution: string) => {
    const answer = solution.split(ANSWER_MARK)[1]?.trim().replace(/\s+/g, " ");
    return answer === undefined ? undefined : formOf(answer);
  };
  const expected = right.map((answer) => formOf(answer)!);
  const isRight = (answer: string | undefined, expected: string) => answer === expected;
  return {
    expected,
    byVotes: accuracyByVotes(solutions.map((texts) => texts.map(answerOf)), expected, { isRight }),
    isRight: (item, solution) => isRight(answerOf(solution), expected[item]!),
  };
}

export function accuracyCsv(byVotes: readonly Accuracy[]): string {
  return csv([
    ["votes", "correct", "count", "accuracy", "low", "high"],
    ...byVotes.map(({ correct, count, accuracy, interval }, i) => {
      return [i + 1, correct, count, accuracy, ...interval];
    }),
  ]);
}

export function decodingProtocol(temperature: number): string {
  return temperature === 0 ? "greedy decoding" : `decoding at temperature ${temperature}`;
}
