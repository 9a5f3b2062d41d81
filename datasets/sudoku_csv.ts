/** Sudoku puzzles of CSV files. */
import { parseCsv } from "../base/csv.ts";
import { inFile, UserError } from "../base/errors.ts";
import { parseBoard, placeOf, solveSudoku, type Sudoku } from "./sudoku.ts";

/**
 * Reads puzzles from CSV with a column `quiz`, `quizzes`, `puzzle` or `puzzles`, and perhaps one `solution`
 * or `solutions`. Without one, puzzles are solved here.
 *
 * @param path The file, for messages.
 * @throws {UserError} If a column is missing, a board is not sound, a puzzle does not have exactly one
 * solution, or its solution is another; it names the line.
 */
export function parseSudokuCsv(text: string, path: string): Sudoku[] {
  const [header = [], ...rows] = parseCsv(text, path);
  const columnOf = (pattern: RegExp) => header.findIndex((name) => pattern.test(name.trim()));
  const [quizColumn, solutionColumn] = [/^(quiz|quizzes|puzzles?)$/i, /^solutions?$/i].map(
    columnOf,
  );
  if (quizColumn === -1) {
    throw new UserError(`${path} has no column "quiz": its first line names the columns`);
  }
  if (rows.length === 0) throw new UserError(`${path} has no puzzles`);
  return rows.map((row, i) =>
    inFile(`${path}, line ${i + 2}`, () => {
      const quiz = parseBoard(row[quizColumn!]!);
      const solution = solveSudoku(quiz);
      const given = solutionColumn === -1 ? "" : row[solutionColumn!]!.trim();
      if (given === "") return { quiz, solution };
      const cell = parseBoard(given).findIndex((digit, cell) => digit !== solution[cell]);
      if (cell === -1) return { quiz, solution };
      throw new UserError(
        `the solution in the file is not the puzzle's: ${placeOf(cell)} must be ${solution[cell]}`,
      );
    })
  );
}
