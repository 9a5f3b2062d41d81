/** Sudoku as a task of masked diffusion: a token is a cell, blanks are masks. */
import { usageError } from "../../base/errors.ts";
import { sha256 } from "../../base/json.ts";
import {
  boardLines,
  generateSudoku,
  parseBoard,
  shuffleSudoku,
  type Sudoku,
  SUDOKU_BOXES,
  SUDOKU_COLUMNS,
  SUDOKU_ROWS,
  type SudokuPart,
} from "../../datasets/sudoku.ts";
import { parseSudokuCsv } from "../../datasets/sudoku_csv.ts";
import { randomStream } from "../../nn/random.ts";
import type { MaskedConfig } from "../settings.ts";
import type { MaskedExample, MaskedTask } from "./task.ts";

/** Training puzzles. They are made when they are needed, and shuffled whenever they are used again. */
const TRAIN_SIZE = 50_000;

/** Test puzzles whose hash identifies the data. */
const HASHED = 20;

/** The range of `--givens`. @throws {UserError} With exit code 2. */
export function givensOf(text: string): [fewest: number, most: number] {
  const [, fewest, most = fewest] = /^(\d{1,2})(?:-(\d{1,2}))?$/.exec(text) ?? [];
  const range: [number, number] = [Number(fewest), Number(most)];
  if (range[0] >= 17 && range[0] <= range[1] && range[1] <= 80) return range;
  throw usageError(
    `--givens ${text}: give a number from 17 to 80, or two with a hyphen, the smaller one first: 30-40.`,
  );
}

export function sudokuExample({ quiz, solution }: Sudoku): MaskedExample {
  return { tokens: solution, targets: quiz.map((digit) => digit === 0 ? 1 : 0) };
}

/** The examples of a CSV file. */
export function readPuzzles(text: string, path: string): MaskedExample[] {
  return parseSudokuCsv(text, path).map(sudokuExample);
}

/** Generated puzzles. The same settings give the same ones, whatever the seed of a run. */
export async function sudokuTask(
  { givens, level }: Pick<MaskedConfig, "givens" | "level">,
  { seed }: { readonly seed: number },
): Promise<MaskedTask> {
  const range = givensOf(givens);
  const random = randomStream(0).stream("sudoku");
  const puzzle = (part: SudokuPart, index: number) =>
    generateSudoku(index, { part, givens: range, level, random: random.stream(part) });
  const shuffles = randomStream(seed).stream("sudoku").stream("shuffles");
  const made: Sudoku[] = [];
  const heldOut = (part: SudokuPart, count: number) =>
    Array.from({ length: count }, (_, i) => sudokuExample(puzzle(part, i)));
  const hashed = Array.from({ length: HASHED }, (_, i) => [...puzzle("test", i).quiz]);
  return {
    name: "sudoku",
    origin: "generated",
    description: `Sudoku, generated: puzzles with ${givens} givens and one solution` +
      `${
        level === "singles" ? ", solved without search" : ""
      }. No solution is in two parts, even ` +
      "relabelled, with other rows or columns, or transposed.",
    sha256: { [`sudoku ${givens} ${level}`]: await sha256(Uint8Array.from(hashed.flat())) },
    unit: "boards",
    vocabSize: 10,
    maskId: 0,
    length: 81,
    groups: { row: SUDOKU_ROWS, column: SUDOKU_COLUMNS, box: SUDOKU_BOXES },
    trainSize: TRAIN_SIZE,
    train: (index, draw) =>
      sudokuExample(shuffleSudoku(made[index] ??= puzzle("train", index), shuffles.at(draw))),
    heldOut,
    isRight: ({ tokens }, answer) => Array.from(tokens).every((token, i) => token === answer[i]),
    write: (tokens) => Array.from(tokens).join(""),
    show: (text) => boardLines(parseBoard(text)),
  };
}
