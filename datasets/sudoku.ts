/**
 * Sudoku: puzzles with one solution, generated or read from CSV files by sudoku_csv.ts. A board is 81 digits, row by row, with
 * 0 for a blank.
 */
import { requireInteger } from "../base/checks.ts";
import { UserError } from "../base/errors.ts";
import { quote } from "../base/quote.ts";
import type { RandomStream } from "../nn/random.ts";

/** A puzzle: its givens and its solution. */
export interface Sudoku {
  /** Digits [81], 0 for a blank. */
  readonly quiz: Uint8Array;
  /** Digits [81], all from 1 to 9. */
  readonly solution: Uint8Array;
}

/** Names of the levels of generated puzzles. */
export const sudokuLevels = ["singles", "any"] as const;
/**
 * A name of {@linkcode sudokuLevels}. A puzzle of "singles" is solved by cells that have one possible digit,
 * and digits that have one possible cell in a row, column or box; "any" includes puzzles that need search.
 */
export type SudokuLevel = typeof sudokuLevels[number];

/** The parts of the data. */
export type SudokuPart = "train" | "validation" | "test";

const CELLS = Array.from({ length: 81 }, (_, i) => i);
const ALL = 0x1ff; // digit d is bit d - 1

/** The row, column and box of each cell, each from 0 to 8. */
export const SUDOKU_ROWS: readonly number[] = CELLS.map((cell) => Math.floor(cell / 9));
export const SUDOKU_COLUMNS: readonly number[] = CELLS.map((cell) => cell % 9);
export const SUDOKU_BOXES: readonly number[] = CELLS.map((cell) =>
  Math.floor(cell / 27) * 3 + Math.floor(cell % 9 / 3)
);

/** Units 0 to 8 are rows, 9 to 17 columns, 18 to 26 boxes. */
const UNITS_OF = CELLS.map((cell) =>
  [SUDOKU_ROWS[cell]!, 9 + SUDOKU_COLUMNS[cell]!, 18 + SUDOKU_BOXES[cell]!] as const
);
const UNITS = Array.from(
  { length: 27 },
  (_, unit) => CELLS.filter((cell) => UNITS_OF[cell]!.includes(unit)),
);

/** A board while it is solved: its digits, and the set of digits of each unit. */
class Grid {
  readonly #digits: Uint8Array;
  readonly #used: Int32Array;
  blanks = 0;

  constructor(digits: Uint8Array, used?: Int32Array) {
    this.#digits = digits;
    this.#used = used ?? new Int32Array(27);
    for (let cell = 0; cell < 81; cell++) {
      const digit = digits[cell]!;
      if (digit === 0) this.blanks++;
      else if (used === undefined) {
        for (const unit of UNITS_OF[cell]!) this.#used[unit]! |= 1 << (digit - 1);
      }
    }
  }

  copy(): Grid {
    return new Grid(this.#digits.slice(), this.#used.slice());
  }

  digits(): Uint8Array {
    return this.#digits;
  }

  isBlank(cell: number): boolean {
    return this.#digits[cell] === 0;
  }

  /** The digits that a blank cell may have, as bits. */
  free(cell: number): number {
    const [row, column, box] = UNITS_OF[cell]!;
    return ALL & ~(this.#used[row]! | this.#used[column]! | this.#used[box]!);
  }

  place(cell: number, bit: number): void {
    this.#digits[cell] = 32 - Math.clz32(bit);
    const [row, column, box] = UNITS_OF[cell]!;
    this.#used[row]! |= bit;
    this.#used[column]! |= bit;
    this.#used[box]! |= bit;
    this.blanks--;
  }

  /** Places all single candidates. @returns False at a contradiction. */
  placeSingles(): boolean {
    for (let before = -1; before !== this.blanks && this.blanks > 0;) {
      before = this.blanks;
      for (let cell = 0; cell < 81; cell++) {
        if (this.#digits[cell] !== 0) continue;
        const free = this.free(cell);
        if (free === 0) return false;
        if ((free & (free - 1)) === 0) this.place(cell, free);
      }
      for (let unit = 0; unit < 27; unit++) {
        if (this.#used[unit] !== ALL && !this.#placeInUnit(unit)) return false;
      }
    }
    return true;
  }

  /** Places the digits that have one possible cell in a unit. */
  #placeInUnit(unit: number): boolean {
    let [once, twice] = [0, 0];
    for (const cell of UNITS[unit]!) {
      if (this.#digits[cell] !== 0) continue;
      const free = this.free(cell);
      twice |= once & free;
      once |= free;
    }
    if ((once | this.#used[unit]!) !== ALL) return false;
    let singles = once & ~twice;
    if (singles === 0) return true;
    for (const cell of UNITS[unit]!) {
      if (this.#digits[cell] !== 0) continue;
      const found = this.free(cell) & singles;
      if (found === 0) continue;
      if ((found & (found - 1)) !== 0) return false; // two digits that fit here only
      this.place(cell, found);
      singles &= ~found;
    }
    return true;
  }
}

/** Finds solutions depth first, until there are `limit`. Digits are tried in the order of `bitsOf`. */
function search(
  grid: Grid,
  limit: number,
  bitsOf: (free: number) => readonly number[] = digitBits,
  found: Uint8Array[] = [],
): Uint8Array[] {
  if (!grid.placeSingles()) return found;
  if (grid.blanks === 0) {
    found.push(grid.digits());
    return found;
  }
  let [best, fewest] = [-1, 10];
  for (let cell = 0; cell < 81 && fewest > 2; cell++) {
    if (!grid.isBlank(cell)) continue;
    const count = digitBits(grid.free(cell)).length;
    if (count < fewest) [best, fewest] = [cell, count];
  }
  for (const bit of bitsOf(grid.free(best))) {
    const next = grid.copy();
    next.place(best, bit);
    search(next, limit, bitsOf, found);
    if (found.length >= limit) break;
  }
  return found;
}

const BITS = Array.from(
  { length: ALL + 1 },
  (_, set) => Array.from({ length: 9 }, (_, i) => 1 << i).filter((bit) => set & bit),
);
const digitBits = (set: number): readonly number[] => BITS[set]!;

/**
 * The solution of a puzzle [81].
 *
 * @throws {UserError} If a row, column or box has a digit twice, or there is no solution or more than one.
 */
export function solveSudoku(quiz: Uint8Array): Uint8Array {
  checkBoard(quiz);
  const [solution, other] = search(new Grid(quiz.slice()), 2);
  if (solution === undefined) throw new UserError("the puzzle has no solution");
  if (other === undefined) return solution;
  const differing = CELLS.filter((cell) => solution[cell] !== other[cell]);
  throw new UserError(
    `the puzzle has several solutions: two of them differ in ${differing.length} cells, the first of ` +
      `which is ${placeOf(differing[0]!)}`,
  );
}

/** Whether a puzzle with one solution is not solved by singles alone. */
export function needsSearch(quiz: Uint8Array): boolean {
  const grid = new Grid(quiz.slice());
  return !grid.placeSingles() || grid.blanks > 0;
}

/** The place of a cell, in words. */
export const placeOf = (cell: number) => `row ${SUDOKU_ROWS[cell]! + 1}, column ${cell % 9 + 1}`;

/** @throws {UserError} If a board [81] has a digit twice in a row, column or box. */
function checkBoard(board: Uint8Array): void {
  for (const [unit, cells] of UNITS.entries()) {
    for (const [i, cell] of cells.entries()) {
      const digit = board[cell]!;
      const twin = cells.slice(0, i).find((other) => board[other] === digit);
      if (digit === 0 || twin === undefined) continue;
      const name = `${["row", "column", "box"][Math.floor(unit / 9)]} ${unit % 9 + 1}`;
      throw new UserError(
        `${name} has the digit ${digit} twice, at ${placeOf(twin)} and at ${placeOf(cell)}`,
      );
    }
  }
}

/**
 * A number of a solution [81] that relabelling, exchanges of rows, columns and bands, and transposition do not
 * change: a hash of the cycle lengths of the permutation between each two rows, and each two columns.
 */
export function sudokuClass(solution: Uint8Array): number {
  const [rows, columns] = [9, 1].map((across) => {
    const along = 10 - across;
    const hashes: number[] = [];
    const to = new Uint8Array(10);
    for (let a = 0; a < 9; a++) {
      for (let b = 0; b < a; b++) {
        for (let i = 0; i < 9; i++) {
          to[solution[a * across + i * along]!] = solution[b * across + i * along]!;
        }
        const sameBand = Math.floor(a / 3) === Math.floor(b / 3);
        hashes.push(cycleHash(to) * 2 + Number(sameBand));
      }
    }
    return hashes.sort((a, b) => a - b).reduce(mix, 0);
  }) as [number, number];
  return mix(Math.min(rows, columns), Math.max(rows, columns)) >>> 0;
}

/** The lengths of a permutation's cycles as one number: the count of each length is a digit in base 16. */
function cycleHash(to: Uint8Array): number {
  let [seen, hash] = [0, 0];
  for (let start = 1; start <= 9; start++) {
    let length = 0;
    for (let at = start; (seen & 1 << at) === 0; at = to[at]!) {
      seen |= 1 << at;
      length++;
    }
    if (length > 0) hash += 16 ** (length - 1) % 1000003;
  }
  return hash;
}

/** MurmurHash3's mixing of a word into a hash. */
function mix(hash: number, word: number): number {
  let h = Math.imul(hash ^ Math.imul(word, 0xcc9e2d51), 0x1b873593);
  h = Math.imul(h ^ h >>> 15, 0x85ebca6b);
  return Math.imul(h ^ h >>> 13, 0xc2b2ae35) ^ h >>> 16;
}

/**
 * The part that a solution belongs to: a twentieth of {@linkcode sudokuClass} each is for test and
 * validation. So no two parts have the same solution up to the symmetries.
 */
export function sudokuPart(solution: Uint8Array): SudokuPart {
  const part = sudokuClass(solution) % 20;
  return part === 0 ? "test" : part === 1 ? "validation" : "train";
}

/** Options of {@linkcode generateSudoku}. */
export interface SudokuOptions {
  /** The fewest and the most givens. @default {[30, 40]} */
  readonly givens?: readonly [fewest: number, most: number] | undefined;
  /** @default {"singles"} */
  readonly level?: SudokuLevel | undefined;
  readonly part: SudokuPart;
  /** Puzzle i is of `random.at(i)`. */
  readonly random: RandomStream;
}

/** Boards that are tried until one has few enough givens. */
const MOST_TRIES = 2000;

/**
 * Generates puzzle `index` of a part: a random solution, from which givens are taken in random order while it
 * stays the only one.
 *
 * @throws {UserError} If no puzzle with so few givens is found.
 */
export function generateSudoku(index: number, options: SudokuOptions): Sudoku {
  const { givens = [30, 40], level = "singles", part, random } = options;
  const fewest = requireInteger("the fewest givens", givens[0], 17, 80);
  const most = requireInteger("the most givens", givens[1], fewest, 80);
  const stream = random.at(index);
  const wanted = fewest + Math.floor(stream.next() * (most - fewest + 1));
  let tries = 0;
  for (let attempt = 0; tries < MOST_TRIES; attempt++) {
    const draws = stream.at(attempt);
    const solution = randomSolution(draws);
    if (sudokuPart(solution) !== part) continue;
    tries++;
    const quiz = solution.slice();
    let left = 81;
    for (const cell of draws.permutation(81)) {
      if (left === wanted) break;
      quiz[cell] = 0;
      if (level === "singles" ? needsSearch(quiz) : !hasOneSolution(quiz)) {
        quiz[cell] = solution[cell]!;
      } else left--;
    }
    if (left <= most) return { quiz, solution };
  }
  throw new UserError(
    `none of ${MOST_TRIES} boards has a puzzle with ${most} givens or fewer: ask for more`,
  );
}

const hasOneSolution = (quiz: Uint8Array) => search(new Grid(quiz.slice()), 2).length === 1;

function randomSolution(random: RandomStream): Uint8Array {
  const shuffled = (free: number) => {
    const bits = digitBits(free);
    return bits.length === 1 ? bits : Array.from(random.permutation(bits.length), (i) => bits[i]!);
  };
  return search(new Grid(new Uint8Array(81)), 1, shuffled)[0]!;
}

/**
 * The same puzzle with other digits, rows and columns: digits are relabelled, bands, stacks and the lines
 * within them exchanged, and half of the boards transposed.
 */
export function shuffleSudoku({ quiz, solution }: Sudoku, random: RandomStream): Sudoku {
  const digits = [0, ...random.permutation(9).map((digit) => digit + 1)];
  const lines = () =>
    [...random.permutation(3)].flatMap((band) =>
      [...random.permutation(3)].map((line) => band * 3 + line)
    );
  const [rows, columns] = [lines(), lines()];
  const [across, along] = random.next() < 0.5 ? [9, 1] : [1, 9];
  const from = CELLS.map((cell) => rows[SUDOKU_ROWS[cell]!]! * across + columns[cell % 9]! * along);
  const moved = (board: Uint8Array) => Uint8Array.from(from, (cell) => digits[board[cell]!]!);
  return { quiz: moved(quiz), solution: moved(solution) };
}

/**
 * Reads a board from 81 characters: digits, and 0 or a dot for a blank. Spaces are left out.
 *
 * @throws {UserError} If there are more or fewer, or other characters.
 */
export function parseBoard(text: string): Uint8Array {
  const characters = [...text.replace(/\s/g, "")];
  if (characters.length !== 81) {
    throw new UserError(`a board has 81 cells, and this one ${characters.length}`);
  }
  return Uint8Array.from(characters, (character, cell) => {
    if (!/^[0-9.]$/.test(character)) {
      throw new UserError(
        `${quote(character)} at ${placeOf(cell)} is no digit; a blank is 0 or a dot`,
      );
    }
    return character === "." ? 0 : Number(character);
  });
}

/** A board as lines, with dots for blanks, and its boxes apart. */
export function boardLines(board: Uint8Array): string[] {
  const lines = Array.from({ length: 9 }, (_, row) =>
    Array.from({ length: 9 }, (_, column) => {
      const digit = board[row * 9 + column]!;
      return (column === 3 || column === 6 ? "| " : "") + (digit === 0 ? "." : digit);
    }).join(" "));
  const rule = "------+-------+------";
  return [...lines.slice(0, 3), rule, ...lines.slice(3, 6), rule, ...lines.slice(6)];
}
