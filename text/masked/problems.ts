/** Problems as a task of masked diffusion: a token is a character; the solution is generated at once. */
import { sha256 } from "../../base/json.ts";
import { countdownProblem, solvesCountdown } from "../../datasets/countdown.ts";
import { generateMultiplication, multiplicationProblem } from "../../datasets/multiplication.ts";
import { ANSWER_MARK, type ThoughtProblem } from "../../datasets/thoughts.ts";
import { exactMatch, extractDigits } from "../../metrics/answers.ts";
import { digitsOf } from "../config.ts";
import type { MaskedExample, MaskedTask } from "./task.ts";

type Part = "train" | "validation" | "test";

/** Where problems come from, and how their solutions are judged. */
interface ProblemSource extends Pick<MaskedTask, "name" | "description"> {
  readonly sizes: Readonly<Record<Part, number>>;
  readonly problem: (part: Part, index: number) => ThoughtProblem;
  /** The most characters of a question, and of a solution. */
  readonly lengths: readonly [question: number, solution: number];
  readonly characters: string; // of questions and solutions
  readonly solves: (problem: { question: string; solution: string }, text: string) => boolean;
}

const [PAD, MASK, FIRST] = [0, 1, 2] as const; // tokens
const [PAD_MARK, MASK_MARK] = [" ", "_"] as const; // as people see them

/** Problems whose hash identifies the data. */
const HASHED = 20;

function solutionOf({ thoughts, answer }: ThoughtProblem): string {
  return `${[...thoughts, ANSWER_MARK].join(" ")} ${answer}`;
}

/** The task of a source. Questions and solutions are padded; the padding of a solution is generated too. */
async function problemTask(source: ProblemSource): Promise<MaskedTask> {
  const { name, description, sizes, problem, characters, lengths, solves } = source;
  const [questionLength, solutionLength] = lengths;
  const length = questionLength + solutionLength;
  const ids = new Map([...characters].map((character, i) => [character, FIRST + i]));
  const encode = (text: string, size: number) =>
    Array.from({ length: size }, (_, i) => i < text.length ? ids.get(text[i]!)! : PAD);
  const targets = Array.from({ length }, (_, i) => i < questionLength ? 0 : 1);
  const example = (part: Part, index: number): MaskedExample => {
    const found = problem(part, index);
    const question = encode(found.question, questionLength);
    return { tokens: [...question, ...encode(solutionOf(found), solutionLength)], targets };
  };
  const show = (tokens: ArrayLike<number>, start: number, end: number) =>
    Array.from(tokens).slice(start, end).map((token) =>
      token === PAD ? PAD_MARK : token === MASK ? MASK_MARK : characters[token - FIRST]!
    ).join("").trimEnd();
  const partsOf = (tokens: ArrayLike<number>) => ({
    question: show(tokens, 0, questionLength),
    solution: show(tokens, questionLength, length),
  });
  const hashed = Array.from({ length: HASHED }, (_, i) => example("test", i).tokens);
  return {
    name,
    origin: "generated",
    description,
    sha256: { [name]: await sha256(new TextEncoder().encode(JSON.stringify(hashed))) },
    unit: "problems",
    vocabSize: FIRST + characters.length,
    maskId: MASK,
    length,
    groups: {},
    trainSize: sizes.train,
    train: (index) => example("train", index),
    heldOut: (part, count) =>
      Array.from({ length: Math.min(count, sizes[part]) }, (_, i) => example(part, i)),
    isRight: ({ tokens }, answer) => solves(partsOf(tokens), partsOf(answer).solution),
    write: (tokens) => Object.values(partsOf(tokens)).join(" | "),
    show: (text) => [text],
  };
}

/** Training problems of Countdown. They are made when they are needed. */
const COUNTDOWN_SIZE = 500_000;

export function countdownTask(numbers: number): Promise<MaskedTask> {
  return problemTask({
    name: "countdown",
    description: `Countdown with ${numbers} numbers, generated: ${
      COUNTDOWN_SIZE.toLocaleString("en")
    } problems to train on; no target of a held-out problem is among theirs.`,
    sizes: { train: COUNTDOWN_SIZE, validation: Infinity, test: Infinity },
    problem: (part, index) => countdownProblem(index, { part, numbers }),
    characters: "0123456789+-*/=,: #",
    // Numbers have 2 digits, results 3; after the first step an equation has at most 11 characters.
    lengths: [4 * numbers + 3, 12 * (numbers - 1) + 8],
    solves: ({ question }, text) => solvesCountdown(question, text),
  });
}

/** Multiplication with the digits next to each other. */
export function multiplicationTask(digits: string): Promise<MaskedTask> {
  const [n, m] = digitsOf(digits);
  const parts = generateMultiplication({ digits: [n, m] });
  const { train, validation, test } = parts;
  const problem = (part: Part, index: number): ThoughtProblem => {
    const { question, thoughts, answer } = multiplicationProblem(parts[part][index]!, [n, m]);
    const joined = (text: string) => text.replace(/(?<=\d) (?=\d)/g, "");
    return { question: joined(question), thoughts: thoughts.map(joined), answer: joined(answer) };
  };
  const longest = problem("train", 0); // all have the same length
  return problemTask({
    name: `multiplication ${digits}`,
    description:
      `Multiplication of ${digits} digits, generated: ${train.length} problems to train ` +
      `on, ${validation.length} and ${test.length} held out, none with the same numbers.`,
    sizes: { train: train.length, validation: validation.length, test: test.length },
    problem,
    characters: "0123456789*()# ",
    lengths: [longest.question.length, solutionOf(longest).length],
    solves: ({ solution }, text) => exactMatch(extractDigits(text), extractDigits(solution)!),
  });
}
