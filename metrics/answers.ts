/** Final answers of problems: extraction from generated texts, majority votes and accuracies. */

const NUMBER = /^([+-]?)\$?(?=\.?\d)(\d*)(?:\.(\d*))?$/;

/**
 * A decimal number in one form, exactly: "1,234.50", "$1234.5" and "+1234.500" are "1234.5", and "5." is "5".
 *
 * @returns undefined for other text.
 */
export function decimalNumber(text: string): string | undefined {
  const [, sign, whole = "", part = ""] = NUMBER.exec(text.replaceAll(",", "")) ?? [];
  if (sign === undefined) return undefined;
  const fraction = part.replace(/0+$/, "");
  const number = (whole.replace(/^0+/, "") || "0") + (fraction === "" ? "" : `.${fraction}`);
  return sign === "-" && number !== "0" ? `-${number}` : number;
}

/**
 * The final answer of a solution: the first number after `####`, in the form of {@linkcode decimalNumber}. GSM8K's
 * own code (openai/grade-school-math, `extract_answer`) finds it in the same place, but compares characters: to
 * it `18.0`, `18.` and `$18` are not 18, and a comma alone is an answer.
 *
 * @returns The answer, or undefined if there is none, which counts as wrong.
 */
export function extractNumber(solution: string): string | undefined {
  const [, found = ""] = /#### ([+-]?\$?[0-9.,]+)/.exec(solution) ?? [];
  return decimalNumber(found);
}

/**
 * The answer of a multiplication: the digits after the first `####`, without white space. Undefined if there
 * are none.
 */
export function extractDigits(solution: string): string | undefined {
  const digits = solution.split("####")[1]?.replace(/\s+/g, "");
  return digits === undefined || !/^[0-9]+$/.test(digits) ? undefined : digits;
}

/** Whether an answer equals the expected one character by character, except for commas. A missing one is wrong. */
export function exactMatch(answer: string | undefined, expected: string): boolean {
  return answer === expected.replaceAll(",", "");
}

/**
 * The most frequent answer (self-consistency: Wang et al. 2022, arXiv:2203.11171), undefined if there is
 * none. Of equally frequent answers the first one wins, so the winner of the first m votes does not depend
 * on later votes.
 */
export function majorityVote(votes: readonly (string | undefined)[]): string | undefined {
  const counts = new Map<string, number>();
  for (const vote of votes) {
    if (vote !== undefined) counts.set(vote, (counts.get(vote) ?? 0) + 1);
  }
  let winner: string | undefined;
  // A map's entries are in the order of insertion.
  for (const [answer, count] of counts) {
    if (winner === undefined || count > counts.get(winner)!) winner = answer;
  }
  return winner;
}

/** A share of right answers with its uncertainty. */
export interface Accuracy {
  /** The number of right answers. */
  readonly correct: number;
  /** The number of all answers. */
  readonly count: number;
  /** The share of right answers, 0 to 1. */
  readonly accuracy: number;
  /** The 95 % confidence interval of the share. */
  readonly interval: readonly [number, number];
  /** The accuracy of guessing, 0 to 1. */
  readonly chance: number;
}

/** The standard normal distribution's 97.5 % quantile. */
const Z = 1.959963984540054;

/**
 * Wilson's score interval at 95 % (Wilson 1927), which is accurate for few answers and for shares near 0
 * and 1 too.
 *
 * @throws {RangeError} If there are no answers, or more right answers than answers.
 */
export function wilsonInterval(correct: number, count: number): [number, number] {
  if (!(count >= 1 && correct >= 0 && correct <= count)) {
    throw new RangeError(`${correct} right answers of ${count}`);
  }
  const share = correct / count;
  const center = share + Z * Z / (2 * count);
  const half = Z * Math.sqrt(share * (1 - share) / count + Z * Z / (4 * count * count));
  const scale = 1 + Z * Z / count;
  // Rounding would miss the exact bounds 0 and 1.
  return [
    correct === 0 ? 0 : (center - half) / scale,
    correct === count ? 1 : (center + half) / scale,
  ];
}

/**
 * The share of right answers. @throws {RangeError} If there are no answers.
 *
 * @param chance The accuracy of guessing.
 */
export function accuracyOf(right: readonly boolean[], chance = 0): Accuracy {
  const count = right.length;
  const correct = right.filter(Boolean).length;
  const interval = wilsonInterval(correct, count);
  return { correct, count, accuracy: correct / count, interval, chance };
}

/** Formats an accuracy: "12.5 % (10 of 80; 95 % interval 6.9 to 21.5 %; chance 50 %)". */
export function describeAccuracy({ correct, count, accuracy, interval, chance }: Accuracy): string {
  const percent = (share: number) => (100 * share).toFixed(1);
  const [low, high] = interval.map(percent);
  const guess = chance === 0 ? "" : `; chance ${percent(chance)} %`;
  const details = `${correct} of ${count}; 95 % interval ${low} to ${high} %${guess}`;
  return `${percent(accuracy)} % (${details})`;
}

/** Options of {@linkcode accuracyByVotes}. */
export interface VoteOptions {
  /** Whether an answer is right. @default {exactMatch} */
  readonly isRight?: (answer: string | undefined, expected: string) => boolean;
  /** The accuracy of guessing. @default {0} */
  readonly chance?: number;
}

/**
 * The accuracy of majority votes of the first sample, the first two, and so on up to all.
 *
 * @param votes For each problem one answer per sample, with the same number of samples.
 * @param expected Each problem's right answer.
 * @returns Entry m - 1 is the accuracy with m votes.
 * @throws {RangeError} If there are no votes, or the lists' lengths differ.
 */
export function accuracyByVotes(
  votes: readonly (readonly (string | undefined)[])[],
  expected: readonly string[],
  { isRight = exactMatch, chance = 0 }: VoteOptions = {},
): Accuracy[] {
  const count = votes[0]?.length ?? 0;
  if (count === 0) throw new RangeError("0 votes; at least 1 is needed");
  if (votes.length !== expected.length || votes.some((of) => of.length !== count)) {
    throw new RangeError(
      `votes on ${votes.length} problems with ${expected.length} answers: give each problem an answer and ` +
        "the same number of votes",
    );
  }
  return Array.from({ length: count }, (_, m) => {
    const right = votes.map((of, i) => isRight(majorityVote(of.slice(0, m + 1)), expected[i]!));
    return accuracyOf(right, chance);
  });
}
