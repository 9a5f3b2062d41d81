/**
 * Final answers: taken out of what a model says, compared with the right ones, voted on, and counted
 * with an interval beside the figure.
 */

/**
 * The answer that a solution ends with, found as GSM8K's own code does (openai/grade-school-math,
 * `extract_answer`): the first number after `####`, with its sign and decimals, without commas.
 *
 * @returns The answer, or undefined where there is none, which counts as wrong.
 */
export function extractNumber(solution: string): string | undefined {
  return /#### (-?[0-9.,]+)/.exec(solution)?.[1]?.replaceAll(",", "");
}

/**
 * What follows the first `####`, without white space: the answer of a multiplication, whose digits
 * stand apart.
 *
 * @returns The answer, or undefined where there is none.
 */
export function extractDigits(solution: string): string | undefined {
  const digits = solution.split("####")[1]?.replace(/\s+/g, "");
  return digits === undefined || !/^[0-9]+$/.test(digits) ? undefined : digits;
}

/**
 * Whether an answer is the right one, character by character but for commas, as GSM8K's own code
 * compares: "18.0" is not "18". No answer is wrong.
 */
export function exactMatch(answer: string | undefined, expected: string): boolean {
  return answer === expected.replaceAll(",", "");
}

/**
 * The answer that most votes are for (self-consistency: Wang et al. 2022, arXiv:2203.11171). Votes
 * without an answer do not count. Of answers with as many votes, the one that was first given wins: so
 * the winner of the first m votes does not depend on the votes after them.
 *
 * @param votes An answer a sample, in the order in which they were drawn.
 * @returns The winner, or undefined where nobody gave an answer.
 */
export function majorityVote(votes: readonly (string | undefined)[]): string | undefined {
  const counts = new Map<string, number>();
  for (const vote of votes) {
    if (vote !== undefined) counts.set(vote, (counts.get(vote) ?? 0) + 1);
  }
  let winner: string | undefined;
  // A map is gone through in the order in which its keys came.
  for (const [answer, count] of counts) {
    if (winner === undefined || count > counts.get(winner)!) winner = answer;
  }
  return winner;
}

/** A share of right answers, with what is needed to judge it. */
export interface Accuracy {
  /** Right answers. */
  readonly correct: number;
  /** All answers. */
  readonly count: number;
  /** Right answers of all, 0 to 1. */
  readonly accuracy: number;
  /** The interval that holds the true share with a probability of 95 %. */
  readonly interval: readonly [number, number];
  /** What guessing would give, 0 to 1. */
  readonly chance: number;
}

/** The standard normal distribution's 97.5 % quantile. */
const Z = 1.959963984540054;

/**
 * Wilson's score interval at 95 % (Wilson 1927), which holds what it says for few answers too, and for
 * shares near 0 and 1.
 *
 * @throws {RangeError} Where there is nothing to count, or more right answers than answers.
 */
export function wilsonInterval(correct: number, count: number): [number, number] {
  if (!(count >= 1 && correct >= 0 && correct <= count)) {
    throw new RangeError(`${correct} right answers of ${count}`);
  }
  const share = correct / count;
  const center = share + Z * Z / (2 * count);
  const half = Z * Math.sqrt(share * (1 - share) / count + Z * Z / (4 * count * count));
  const scale = 1 + Z * Z / count;
  // At both ends the exact bound is 0 or 1, which rounding would miss.
  return [
    correct === 0 ? 0 : (center - half) / scale,
    correct === count ? 1 : (center + half) / scale,
  ];
}

/**
 * The share of right answers.
 *
 * @param right Whether each answer is right.
 * @param chance What guessing would give. @default {0}
 * @throws {RangeError} Where there are no answers.
 */
export function accuracyOf(right: readonly boolean[], chance = 0): Accuracy {
  const count = right.length;
  const correct = right.filter(Boolean).length;
  const interval = wilsonInterval(correct, count);
  return { correct, count, accuracy: correct / count, interval, chance };
}

/** One line for people: "12.5 % (10 of 80; 95 % interval 6.9 to 21.5 %; chance 50 %)". */
export function describeAccuracy({ correct, count, accuracy, interval, chance }: Accuracy): string {
  const percent = (share: number) => (100 * share).toFixed(1);
  const [low, high] = interval.map(percent);
  const guess = chance === 0 ? "" : `; chance ${percent(chance)} %`;
  return `${
    percent(accuracy)
  } % (${correct} of ${count}; 95 % interval ${low} to ${high} %${guess})`;
}

/** Options of {@linkcode accuracyByVotes}. */
export interface VoteOptions {
  /** Whether an answer is right. @default {exactMatch} */
  readonly isRight?: (answer: string | undefined, expected: string) => boolean;
  /** What guessing would give. @default {0} */
  readonly chance?: number;
}

/**
 * Accuracy with the first vote alone, with the first two, and so on to all of them.
 *
 * @param votes Of each problem, an answer a sample: the same number of them for every problem.
 * @param expected Each problem's right answer.
 * @returns Entry m - 1 is the accuracy with m votes.
 * @throws {RangeError} Where there are no votes, or the lists do not belong together.
 */
export function accuracyByVotes(
  votes: readonly (readonly (string | undefined)[])[],
  expected: readonly string[],
  { isRight = exactMatch, chance = 0 }: VoteOptions = {},
): Accuracy[] {
  const count = votes[0]?.length ?? 0;
  if (count === 0) throw new RangeError("0 votes: at least 1");
  if (votes.length !== expected.length || votes.some((of) => of.length !== count)) {
    throw new RangeError(
      `votes on ${votes.length} problems, of ${expected.length}: as many on each problem`,
    );
  }
  return Array.from({ length: count }, (_, m) => {
    const right = votes.map((of, i) => isRight(majorityVote(of.slice(0, m + 1)), expected[i]!));
    return accuracyOf(right, chance);
  });
}
