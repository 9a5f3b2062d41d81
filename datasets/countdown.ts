/**
 * Countdown: a target is to be reached with each of some numbers once, and +, -, * and / (Gandhi et al. 2024,
 * "Stream of Search", arXiv:2404.03683). The thoughts are equations; any that reach the target are right.
 *
 *     12, 40, 1: 53||40+12=52||52+1=53 #### 53
 */
import type { RandomStream } from "../nn/random.ts";
import { randomStream } from "../nn/random.ts";
import type { ThoughtProblem } from "./thoughts.ts";

/** A part of the problems. */
export type CountdownPart = "train" | "validation" | "test";

const [LEAST_TARGET, MOST_TARGET] = [10, 100] as const; // as in Stream of Search
const MOST_NUMBER = 99;
/** Larger results of a step are not made. */
const MOST_RESULT = 999;
/** Targets of validation, and of the test; all others are trained on. */
const HELD_OUT = 9;

/** The part of each target: no target of a held-out problem is trained on. */
const PARTS: readonly CountdownPart[] = (() => {
  const count = MOST_TARGET - LEAST_TARGET + 1;
  const parts: CountdownPart[] = Array(count).fill("train");
  const order = randomStream(0).stream("countdown targets").permutation(count);
  order.subarray(0, HELD_OUT).forEach((i) => parts[i] = "validation");
  order.subarray(HELD_OUT, 2 * HELD_OUT).forEach((i) => parts[i] = "test");
  return parts;
})();

/** The result of an operation; undefined if it is no whole number from 1 to the largest. */
function resultOf(a: number, sign: string, b: number): number | undefined {
  const result = { "+": a + b, "-": a - b, "*": a * b, "/": a / b }[sign]!;
  return Number.isInteger(result) && result >= 1 && result <= MOST_RESULT ? result : undefined;
}

const SIGNS = ["+", "-", "*", "/"] as const;

/** Reduces numbers to one by random operations; undefined if there is no such operation. */
function reduce(numbers: readonly number[], random: RandomStream) {
  const left = [...numbers];
  const steps: string[] = [];
  const pick = (count: number) => Math.floor(random.next() * count);
  while (left.length > 1) {
    const [x] = left.splice(pick(left.length), 1);
    const [y] = left.splice(pick(left.length), 1);
    const [a, b] = [Math.max(x!, y!), Math.min(x!, y!)];
    const sign = SIGNS[pick(SIGNS.length)]!;
    const result = resultOf(a, sign, b);
    if (result === undefined) return undefined;
    steps.push(`${a}${sign}${b}=${result}`);
    left.push(result);
  }
  return { steps, target: left[0]! };
}

/**
 * Generates a problem; the same arguments give the same one.
 *
 * @param numbers How many numbers, 3 to 5.
 * @throws {RangeError} If `numbers` is out of range.
 */
export function countdownProblem(
  index: number,
  { part, numbers: count }: { readonly part: CountdownPart; readonly numbers: number },
): ThoughtProblem {
  if (!Number.isInteger(count) || count < 3 || count > 5) {
    throw new RangeError(`${count} numbers: there must be 3 to 5`);
  }
  const random = randomStream(0).stream(`countdown ${count} ${part}`).at(index);
  while (true) {
    const numbers = Array.from(
      { length: count },
      () => 1 + Math.floor(random.next() * MOST_NUMBER),
    );
    const reduced = reduce(numbers, random);
    if (reduced === undefined || PARTS[reduced.target - LEAST_TARGET] !== part) continue;
    const { steps, target } = reduced;
    return {
      question: `${numbers.join(", ")}: ${target}`,
      thoughts: steps,
      answer: String(target),
    };
  }
}

/**
 * Whether the equations in a text solve a problem: each is true, all use each number, and each result before
 * the last, once, and the last one has the target.
 *
 * @param question As {@linkcode countdownProblem} writes it: "12, 40, 1: 53".
 */
export function solvesCountdown(question: string, text: string): boolean {
  const [numbers = "", target = ""] = question.split(":");
  const left = numbers.split(",").map(Number);
  const equations = [...text.split("####")[0]!.matchAll(/(\d+)([-+*/])(\d+)=(\d+)/g)];
  if (equations.length !== left.length - 1) return false;
  for (const [, first, sign, second, result] of equations) {
    for (const number of [Number(first), Number(second)]) {
      const at = left.indexOf(number);
      if (at < 0) return false;
      left.splice(at, 1);
    }
    if (resultOf(Number(first), sign!, Number(second)) !== Number(result)) return false;
    left.push(Number(result));
  }
  return left[0] === Number(target);
}
