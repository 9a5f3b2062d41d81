import { assert, assertEquals, assertThrows } from "@std/assert";
import { UserError } from "../../base/errors.ts";
import {
  boardLines,
  generateSudoku,
  needsSearch,
  parseBoard,
  shuffleSudoku,
  solveSudoku,
  type Sudoku,
  SUDOKU_BOXES,
  SUDOKU_COLUMNS,
  SUDOKU_ROWS,
  sudokuClass,
  sudokuPart,
} from "../../datasets/sudoku.ts";
import { parseSudokuCsv } from "../../datasets/sudoku_csv.ts";
import { randomStream } from "../../nn/random.ts";

/** Published puzzles: that of Wikipedia's article, one of A. Inkala, and one of G. Royle's with 17 givens. */
const PUBLISHED = [
  [
    "530070000600195000098000060800060003400803001700020006060000280000419005000080079",
    "534678912672195348198342567859761423426853791713924856961537284287419635345286179",
  ],
  [
    "8..........36......7..9.2...5...7.......457.....1...3...1....68..85...1..9....4..",
    "812753649943682175675491283154237896369845721287169534521974368438526917796318452",
  ],
  [
    "000000010400000000020000000000050407008000300001090000300400200050100000000806000",
    "693784512487512936125963874932651487568247391741398625319475268856129743274836159",
  ],
] as const;
const [EASY, SOLVED] = PUBLISHED[0];

const random = randomStream(1).stream("sudoku test");
const wrong = (fn: () => unknown, message: string) => assertThrows(fn, UserError, message);

/** Whether each digit is once in each row, column and box. */
function isSolution(board: Uint8Array): boolean {
  return [SUDOKU_ROWS, SUDOKU_COLUMNS, SUDOKU_BOXES].every((units) =>
    new Set(Array.from(board, (digit, cell) => `${units[cell]} ${digit}`)).size === 81
  ) && board.every((digit) => digit >= 1 && digit <= 9);
}

Deno.test("solveSudoku() finds the published solutions", () => {
  for (const [quiz, solution] of PUBLISHED) {
    assertEquals(solveSudoku(parseBoard(quiz)), parseBoard(solution));
  }
});

Deno.test("needsSearch() tells a hard puzzle from an easy one", () => {
  assertEquals(PUBLISHED.map(([quiz]) => needsSearch(parseBoard(quiz))), [false, true, false]);
});

Deno.test("solveSudoku() names the places when a digit is twice in a row, column or box", () => {
  const board = (places: Readonly<Record<number, number>>) =>
    Uint8Array.from({ length: 81 }, (_, cell) => places[cell] ?? 0);
  wrong(
    () => solveSudoku(board({ 9: 5, 16: 5 })),
    "row 2 has the digit 5 twice, at row 2, column 1 and at row 2, column 8",
  );
  wrong(
    () => solveSudoku(board({ 3: 7, 75: 7 })),
    "column 4 has the digit 7 twice, at row 1, column 4 and at row 9, column 4",
  );
  wrong(
    () => solveSudoku(board({ 60: 1, 80: 1 })),
    "box 9 has the digit 1 twice, at row 7, column 7 and at row 9, column 9",
  );
});

Deno.test("solveSudoku() throws when there is no solution, or several", () => {
  const none = parseBoard("12345678." + ".".repeat(8) + "9" + ".".repeat(63));
  wrong(() => solveSudoku(none), "the puzzle has no solution");
  // In two columns of two boxes, rows 1 and 4 have the digits 6 and 7, which can be exchanged.
  const several = parseBoard(SOLVED);
  for (const cell of [3, 4, 30, 31]) several[cell] = 0;
  wrong(
    () => solveSudoku(several),
    "several solutions: two of them differ in 4 cells, the first of which is row 1, column 4",
  );
});

Deno.test("generateSudoku() makes puzzles with one solution and the wanted givens", () => {
  for (const level of ["singles", "any"] as const) {
    for (const part of ["train", "validation", "test"] as const) {
      for (let i = 0; i < 10; i++) {
        const options = { level, part, random, givens: [28, 33] } as const;
        const { quiz, solution } = generateSudoku(i, options);
        const givens = quiz.filter((digit) => digit > 0).length;
        assert(givens >= 28 && givens <= 33, `${givens} givens`);
        assert(isSolution(solution));
        assertEquals(solveSudoku(quiz), solution);
        assert(quiz.every((digit, cell) => digit === 0 || digit === solution[cell]));
        assert(level === "any" || !needsSearch(quiz));
        assertEquals(sudokuPart(solution), part);
        assertEquals(generateSudoku(i, options).quiz, quiz, "the same again");
      }
    }
  }
});

Deno.test("generateSudoku() throws when givens are out of range, or hardly ever enough", () => {
  const withGivens = (givens: readonly [number, number]) => () =>
    generateSudoku(0, { givens, part: "train", random });
  wrong(withGivens([16, 30]), "the fewest givens is 16");
  wrong(withGivens([40, 30]), "the most givens is 30; it must be an integer from 40 to 80");
  wrong(withGivens([17, 17]), "none of 2000 boards has a puzzle with 17 givens or fewer");
});

Deno.test("sudokuClass() stays the same under each symmetry, and differs otherwise", () => {
  const board = parseBoard(SOLVED);
  const moved = (from: (row: number, column: number) => number) =>
    Uint8Array.from(board, (_, cell) => board[from(Math.floor(cell / 9), cell % 9)]!);
  const swap = (a: number, b: number) => (i: number) => i === a ? b : i === b ? a : i;
  const band = (i: number) => (i + 3) % 9;
  const symmetries = [
    board.map((digit) => digit % 9 + 1),
    moved((row, column) => column * 9 + row),
    moved((row, column) => swap(0, 2)(row) * 9 + column),
    moved((row, column) => row * 9 + swap(4, 5)(column)),
    moved((row, column) => band(row) * 9 + column),
    moved((row, column) => row * 9 + band(column)),
  ];
  for (const same of symmetries) {
    assert(isSolution(same));
    assertEquals(sudokuClass(same), sudokuClass(board));
  }
  const others = Array.from(
    { length: 300 },
    (_, i) => sudokuClass(generateSudoku(i, { part: "train", random, givens: [70, 80] }).solution),
  );
  assertEquals(new Set(others).size, 300);
});

Deno.test("shuffleSudoku() makes other puzzles with the same class and the same givens", () => {
  const original: Sudoku = { quiz: parseBoard(EASY), solution: parseBoard(SOLVED) };
  const seen = new Set<string>();
  for (let i = 0; i < 50; i++) {
    const { quiz, solution } = shuffleSudoku(original, random.at(i));
    assertEquals(solveSudoku(quiz), solution);
    assertEquals(sudokuClass(solution), sudokuClass(original.solution));
    assertEquals(quiz.filter((digit) => digit > 0).length, 30);
    seen.add(quiz.join(""));
  }
  assertEquals(seen.size, 50);
});

Deno.test("parseBoard() and boardLines() are inverse but for the rules", () => {
  const lines = boardLines(parseBoard(EASY));
  assertEquals(lines[0], "5 3 . | . 7 . | . . .");
  assertEquals(lines[3], "------+-------+------");
  assertEquals(parseBoard(lines.join("").replace(/[-+|]/g, "")), parseBoard(EASY));
});

Deno.test("parseBoard() throws when the size or a character is wrong", () => {
  wrong(() => parseBoard(EASY.slice(1)), "a board has 81 cells, and this one 80");
  wrong(() => parseBoard(EASY.replace("7", "x")), '"x" at row 1, column 5 is no digit');
});

Deno.test("parseSudokuCsv() reads the public files' columns, and solves puzzles without a solution", () => {
  const expected = [{ quiz: parseBoard(EASY), solution: parseBoard(SOLVED) }];
  assertEquals(parseSudokuCsv(`quizzes,solutions\n${EASY},${SOLVED}\n`, "a.csv"), expected);
  assertEquals(parseSudokuCsv(`id,puzzle\n1,${EASY}\n`, "a.csv"), expected);
  assertEquals(parseSudokuCsv(`quiz,solution\n${EASY.replaceAll("0", ".")},\n`, "a.csv"), expected);
});

Deno.test("parseSudokuCsv() names file and line when something is wrong", () => {
  const read = (text: string) => () => parseSudokuCsv(text, "a.csv");
  wrong(read(`board\n${EASY}\n`), 'a.csv has no column "quiz"');
  wrong(read("quiz,solution\n"), "a.csv has no puzzles");
  wrong(read(`quiz\n${EASY}\n${EASY}0\n`), "a.csv, line 3: a board has 81 cells, and this one 82");
  wrong(
    read(`quiz,solution\n${EASY},${SOLVED.replace("4", "5")}\n`),
    "a.csv, line 2: the solution in the file is not the puzzle's: row 1, column 3 must be 4",
  );
});
