/**
 * Generated problems of long multiplication. Digits are separated by spaces, the least significant first,
 * as in Implicit Chain of Thought (Deng et al. 2023, arXiv:2311.01460), so that a carry is known before it
 * is used. The thoughts are the partial products, each with the sum so far:
 *
 *     9 1 7 3 * 9 4 3 3||1 7 4 3 3 + 0 6 7 8 4 1 ( 1 3 2 2 8 1 ) + ... #### 1 3 9 4 5 4 2 1
 *
 * is 3719 * 3349 = 12454931.
 */
import { type RandomStream, randomStream } from "../nn/random.ts";
import { ANSWER_MARK, type ThoughtProblem } from "./thoughts.ts";

/** Options of {@linkcode generateMultiplication}. */
export interface MultiplicationOptions {
  /** The digits of the first and of the second number, at most 15 together. @default {[4, 4]} */
  readonly digits?: readonly [number, number] | undefined;
  /** The number of training problems; fewer if there are no more. @default {100000} */
  readonly train?: number | undefined;
  /** The number of validation problems. @default {1000, or a tenth of all if that is less} */
  readonly validation?: number | undefined;
  /** The number of test problems. @default {1000, or a tenth of all if that is less} */
  readonly test?: number | undefined;
}

/** Both operands, in order. */
export type Operands = readonly [number, number];

/** Problems of one size, as operands: {@linkcode multiplicationProblem} writes one out. */
export interface Multiplication {
  /** The digits of both numbers. */
  readonly digits: readonly [number, number];
  /** Training problems: distinct, and none that is held out. */
  readonly train: readonly Operands[];
  /** Validation problems; if both numbers have the same digits, each with its swapped problem. */
  readonly validation: readonly Operands[];
  /** Test problems, chosen likewise. */
  readonly test: readonly Operands[];
}

/** Digits with spaces between them, the least significant first, padded with zeros to `width`. */
function reversed(value: number, width: number): string {
  return [...String(value).padStart(width, "0")].reverse().join(" ");
}

/** The problem of multiplying two numbers, written with the given number of digits. */
export function multiplicationProblem(
  [a, b]: Operands,
  [n, m]: readonly [number, number],
): ThoughtProblem {
  for (const [value, width] of [[a, n], [b, m]] as const) {
    if (!Number.isInteger(value) || value < 0 || value >= 10 ** width) {
      throw new RangeError(`${value} is not a whole number of at most ${width} digits`);
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
 * The targets of several passes, one operation each: a product, a sum so far, or the answer. A sum in the
 * same pass as its last product would depend on digits that are not generated yet: a model would
 * memorise it, and fail on other numbers.
 */
export function multiplicationTargets(
  { thoughts, answer }: Omit<ThoughtProblem, "question">,
): string[] {
  const operations = thoughts.flatMap((thought) => thought.split(/ (?=\()/));
  return [...operations, `${ANSWER_MARK} ${answer}`];
}

/** The number of {@linkcode multiplicationTargets} for a second number of `m` digits. */
export function multiplicationPasses(m: number): number {
  return m + Math.max(0, m - 2) + 1;
}

/** Distinct pairs of numbers with `n` and `m` digits, without leading zeros, in random order. */
function* pairs([n, m]: readonly [number, number], random: RandomStream): Generator<Operands> {
  const numbers = (digits: number): [low: number, count: number] =>
    digits === 1 ? [0, 10] : [10 ** (digits - 1), 9 * 10 ** (digits - 1)];
  const [lowA, countA] = numbers(n);
  const [lowB, countB] = numbers(m);
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

const pairCount = (digits: readonly number[]) =>
  digits.reduce((product, width) => product * (width === 1 ? 10 : 9 * 10 ** (width - 1)), 1);

/**
 * Generates problems; the same options give the same problems. Numbers have no leading zeros. No problem
 * is in two parts, and a problem is held out together with its swapped problem, so that the test does
 * not measure memory.
 *
 * @throws {RangeError} If digits or sizes are out of range.
 */
export function generateMultiplication(options: MultiplicationOptions = {}): Multiplication {
  const { digits = [4, 4] } = options;
  if (
    !digits.every((width) => Number.isInteger(width) && width >= 1) || digits[0] + digits[1] > 15
  ) {
    throw new RangeError(
      `digits are ${digits}: they must be two whole numbers from 1, with a sum of at most 15`,
    );
  }
  const all = pairCount(digits);
  const few = Math.min(1000, Math.floor(all / 10));
  const { train: trainSize = 100_000, validation: validationSize = few, test: testSize = few } =
    options;
  for (const size of [trainSize, validationSize, testSize]) {
    if (!Number.isInteger(size) || size < 1) {
      throw new RangeError(`${size} problems: there must be at least 1`);
    }
  }
  if (validationSize + testSize >= all / 2) {
    throw new RangeError(
      `${validationSize} + ${testSize} of ${all} problems held out: it must be less than half`,
    );
  }
  const stream = pairs(digits, randomStream(0).stream(`multiplication ${digits.join("x")}`));
  const taken = new Set<string>();
  const take = (count: number, withSwapped: boolean) => {
    const part: Operands[] = [];
    const add = (pair: Operands) => {
      if (taken.has(`${pair}`)) return;
      taken.add(`${pair}`); // a swapped problem without room in its part is in none
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
