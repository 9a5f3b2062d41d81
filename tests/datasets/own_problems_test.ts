import { assertEquals, assertThrows } from "@std/assert";
import { UserError } from "../../base/errors.ts";
import { parseOwnProblems } from "../../datasets/own_problems.ts";

const parse = (...rows: readonly unknown[]) =>
  parseOwnProblems(
    new TextEncoder().encode(rows.map((row) => JSON.stringify(row)).join("\n")),
    "a.jsonl",
  );

Deno.test("parseOwnProblems() reads problems; thoughts may be left out, and answers may be numbers", () => {
  assertEquals(
    parse(
      { question: "2 + 3 + 4", thoughts: ["2 + 3 =\n5", "5 + 4 = 9"], answer: 9 },
      { question: " more? ", answer: "yes", level: 1 },
      { question: "none", thoughts: null, answer: "no" },
    ),
    [
      { question: "2 + 3 + 4", thoughts: ["2 + 3 = 5", "5 + 4 = 9"], answer: "9" },
      { question: "more?", thoughts: [], answer: "yes" },
      { question: "none", thoughts: [], answer: "no" },
    ],
  );
});

Deno.test("parseOwnProblems() refuses a line that is no problem, and names it", () => {
  const good = { question: "a", answer: "b" };
  const cases: readonly [row: unknown, message: string][] = [
    [
      { question: "a" },
      'a problem without "answer", which must be text or a number: add it, or remove the line',
    ],
    [
      { question: "a", answer: " " },
      'a problem without "answer", which must be text or a number: add it, or remove the line',
    ],
    [
      { answer: "b" },
      'a problem without "question", which must be text: add it, or remove the line',
    ],
    [{ ...good, thoughts: "x" }, '"thoughts" is "x", not a list of texts'],
    [{ ...good, thoughts: ["x", 1] }, '"thoughts" is ["x",1], not a list of texts'],
    [{ ...good, answer: "#### 1" }, '"####" marks answers, and must not be in a problem'],
    ["x", '"x" is not a JSON object'],
  ];
  for (const [row, message] of cases) {
    assertEquals(assertThrows(() => parse(good, row), UserError).message, `a.jsonl:2: ${message}`);
  }
  assertEquals(
    assertThrows(() => parse(), UserError).message,
    "a.jsonl: no problems: add some, one a line",
  );
});
