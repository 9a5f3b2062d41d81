import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { UserError } from "../../../base/errors.ts";
import { solveSudoku, sudokuClass } from "../../../datasets/sudoku.ts";
import { givensOf, readPuzzles, sudokuTask } from "../../../text/masked/sudoku.ts";
import { maskTargets } from "../../../text/masked/task.ts";

const SETTINGS = { givens: "30-40", level: "any" } as const;

Deno.test("sudokuTask() gives puzzles whose targets are the blanks of one solution", async () => {
  const task = await sudokuTask(SETTINGS, { seed: 0 });
  const held = [...task.heldOut("validation", 5), ...task.heldOut("test", 5)];
  for (const example of [...held, task.train(0, 0), task.train(49_999, 7)]) {
    const quiz = Uint8Array.from(maskTargets(example, task));
    const blanks = quiz.filter((digit) => digit === 0).length;
    assertEquals(blanks, Array.from(example.targets).reduce((a, b) => a + b, 0));
    assert(blanks >= 41 && blanks <= 51, `${blanks} blanks`);
    assertEquals([...solveSudoku(quiz)], Array.from(example.tokens));
    assert(task.isRight(example, example.tokens));
    assert(!task.isRight(example, quiz));
  }
});

Deno.test("sudokuTask() varies a training puzzle, the same way for the same seed and draw", async () => {
  const [task, same, other] = [
    await sudokuTask(SETTINGS, { seed: 0 }),
    await sudokuTask(SETTINGS, { seed: 0 }),
    await sudokuTask(SETTINGS, { seed: 1 }),
  ];
  const first = task.train(3, 10);
  assertEquals(same.train(3, 10), first);
  const classOf = ({ tokens }: typeof first) => sudokuClass(Uint8Array.from(tokens));
  for (const variant of [task.train(3, 11), other.train(3, 10)]) {
    assertNotEquals(variant.tokens, first.tokens);
    assertEquals(classOf(variant), classOf(first));
  }
  assertEquals(other.heldOut("test", 2), task.heldOut("test", 2));
});

Deno.test("sudokuTask() has other hashes when its settings differ", async () => {
  const hashes = [
    await sudokuTask(SETTINGS, { seed: 0 }),
    await sudokuTask({ ...SETTINGS, givens: "40" }, { seed: 0 }),
  ].map(({ sha256 }) => Object.values(sha256)[0]);
  assertNotEquals(hashes[0], hashes[1]);
});

Deno.test("givensOf() reads one number or two, and throws otherwise", () => {
  assertEquals(givensOf("25"), [25, 25]);
  assertEquals(givensOf("30-40"), [30, 40]);
  for (const text of ["16", "40-30", "30-81", "x", "30-", "-5"]) {
    assertThrows(() => givensOf(text), UserError, `--givens ${text}: give a number from 17 to 80`);
  }
});

Deno.test("readPuzzles() gives examples of a CSV file", () => {
  const quiz = "530070000600195000098000060800060003400803001700020006060000280000419005000080079";
  const [example] = readPuzzles(`quiz\n${quiz}\n`, "a.csv");
  assertEquals(maskTargets(example!, { maskId: 0 }).join(""), quiz);
});
