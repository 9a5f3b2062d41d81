/**
 * Multiplication by hand: numbers of given lengths, generated. Digits stand apart, the least
 * significant first, as by Implicit Chain of Thought (Deng et al. 2023, arXiv:2311.01460), so that a
 * carry is known before it is used. The thoughts are the partial products, each with the sum so far:
 *
 *     9 1 7 3 * 9 4 3 3||1 7 4 3 3 + 0 6 7 8 4 1 ( 1 3 2 2 8 1 ) + ... #### 1 3 9 4 5 4 2 1
 *
 * is 3719 * 3349 = 12454931.
 */
import { type RandomStream, randomStream } from "../nn/random.ts";
import { ANSWER_MARK, type ThoughtProblem } from "./thoughts.ts";

/** What stands between two thoughts. */
export const MULTIPLICATION_SEPARATOR = " + ";

/** Options of {@linkcode generateMultiplication}. */
export interface MultiplicationOptions {
  /** Digits of the first and of the second number, 15 together at most. @default {[4, 4]} */
  readonly digits?: readonly [number, number] | undefined;
  /** Problems to train on; fewer where there are no more. @default {100000} */
  readonly train?: number | undefined;
  /** Problems held out for validation. @default {1000, or a tenth of all where that is less} */
  readonly validation?: number | undefined;
  /** Problems held out for the test. @default {1000, or a tenth of all where that is less} */
  readonly test?: number | undefined;
}

/** Operands, in the order in which they are multiplied. */
export type Operands = readonly [number, number];

/** Problems of one size, as operands: {@linkcode multiplicationProblem} writes one out. */
export interface Multiplication {
  /** Digits of both numbers. */
  readonly digits: readonly [number, number];
  /** To train on: none twice, and none that is held out. */
  readonly train: readonly Operands[];
  /** For validation; of numbers of as many digits, with each also the one of its numbers swapped. */
  readonly validation: readonly Operands[];
  /** To be scored; likewise. */
  readonly test: readonly Operands[];
}

/** Digits with spaces between them, the least significant first, with zeros up to `width` of them. */
function reversed(value: number, width: number): string {
  return [...String(value).padStart(width, "0")].reverse().join(" ");
}

/**
 * Writes a multiplication out.
 *
 * @param operands Both numbers.
 * @param digits How many digits each is written with.
 * @throws {RangeError} For a number that is no whole number of so many digits.
 */
export function multiplicationProblem(
  [a, b]: Operands,
  [n, m]: readonly [number, number],
): ThoughtProblem {
  for (const [value, width] of [[a, n], [b, m]] as const) {
    if (!Number.isInteger(value) || value < 0 || value >= 10 ** width) {
      throw new RangeError(`${value} is no whole number of at most ${width} digits`);
    }
  }
  const thoughts: string[] = [];
  let sum = 0;
  for (let i = 0; i < m; i++) {
    const partial = a * (Math.floor(b / 10 ** i) % 10) * 10 ** i;
    sum += partial;
    const width = n + 1 + i;
    // The first product is its own sum, and the last sum is the answer.
    const sumSoFar = i === 0 || i === m - 1 ? "" : ` ( ${reversed(sum, width)} )`;
    thoughts.push(reversed(partial, width) + sumSoFar);
  }
  return {
    question: `${reversed(a, n)} * ${reversed(b, m)}`,
    thoughts,
    answer: reversed(sum, n + m),
  };
}

/**
 * What is to be said in each of several passes: one operation a pass, a product, a sum so far or the
 * answer. A sum that is said together with its last product has to be made of digits that are not
 * there yet: it is remembered from training, and wrong for other numbers.
 */
export function multiplicationTargets(
  { thoughts, answer }: Omit<ThoughtProblem, "question">,
): string[] {
  const operations = thoughts.flatMap((thought) => thought.split(/ (?=\()/));
  return [...operations, `${ANSWER_MARK} ${answer}`];
}

/** How many texts {@linkcode multiplicationTargets} gives for a second number of `m` digits. */
export function multiplicationPasses(m: number): number {
  return m + Math.max(0, m - 2) + 1;
}

/** All pairs of numbers of so many digits, without leading zeros, in random order, none twice. */
function* pairs([n, m]: readonly [number, number], random: RandomStream): Generator<Operands> {
  const numbers = (digits: number) =>
    digits === 1 ? [0, 10] : [10 ** (digits - 1), 9 * 10 ** (digits - 1)];
  const [[lowA, countA], [lowB, countB]] = [numbers(n), numbers(m)] as [
    [number, number],
    [number, number],
  ];
  const count = countA * countB;
  if (count <= 1e6) {
    for (const i of random.permutation(count)) {
      yield [lowA + Math.floor(i / countB), lowB + i % countB];
    }
    return;
  }
  const seen = new Set<number>();
  while (seen.size < count / 2) {
    const a = Math.floor(random.next() * countA);
    const b = Math.floor(random.next() * countB);
    const key = a * countB + b;
    if (seen.has(key)) continue;
    seen.add(key);
    yield [lowA + a, lowB + b];
  }
}

/** How many pairs of numbers there are. */
const pairCount = (digits: readonly number[]) =>
  digits.reduce((product, width) => product * (width === 1 ? 10 : 9 * 10 ** (width - 1)), 1);

/**
 * Generates problems, the same ones whenever it is called with the same numbers. Numbers have no
 * leading zeros. No problem is in two parts, and a problem is held out together with the one of its
 * numbers swapped: otherwise much of the test could be remembered.
 *
 * @throws {RangeError} For digits or counts that cannot be.
 */
export function generateMultiplication(options: MultiplicationOptions = {}): Multiplication {
  const { digits = [4, 4] } = options;
  if (
    !digits.every((width) => Number.isInteger(width) && width >= 1) || digits[0] + digits[1] > 15
  ) {
    throw new RangeError(
      `digits are ${digits}: two whole numbers of at least 1, and 15 together at most`,
    );
  }
  const all = pairCount(digits);
  const few = Math.min(1000, Math.floor(all / 10));
  const { train: trainSize = 100_000, validation: validationSize = few, test: testSize = few } =
    options;
  for (const size of [trainSize, validationSize, testSize]) {
    if (!Number.isInteger(size) || size < 1) throw new RangeError(`${size} problems: at least 1`);
  }
  if (validationSize + testSize >= all / 2) {
    throw new RangeError(
      `${validationSize} + ${testSize} problems held out of ${all}: fewer than half are to be`,
    );
  }
  const stream = pairs(digits, randomStream(0).stream(`multiplication ${digits.join("x")}`));
  const taken = new Set<string>();
  const take = (count: number, withSwapped: boolean) => {
    const part: Operands[] = [];
    const add = (pair: Operands) => {
      if (taken.has(`${pair}`)) return;
      taken.add(`${pair}`); // also where there is no room for a swapped one: it is in no part then
      if (part.length < count) part.push(pair);
    };
    while (part.length < count) {
      const next = stream.next();
      if (next.done === true) break;
      const [a, b] = next.value;
      add([a, b]);
      if (withSwapped && digits[0] === digits[1]) add([b, a]);
    }
    return part;
  };
  const [test, validation] = [take(testSize, true), take(validationSize, true)];
  return { digits, train: take(trainSize, false), validation, test };
}
