import { assert, assertEquals, assertThrows } from "@std/assert";
import { type CountdownPart, countdownProblem, solvesCountdown } from "../../datasets/countdown.ts";

const problems = (part: CountdownPart, numbers: number, count = 300) =>
  Array.from({ length: count }, (_, i) => countdownProblem(i, { part, numbers }));

Deno.test("countdownProblem() makes problems that their own equations solve", () => {
  for (const numbers of [3, 4, 5]) {
    for (const { question, thoughts, answer } of problems("train", numbers, 100)) {
      assert(solvesCountdown(question, thoughts.join(" ")), `${question} ${thoughts}`);
      assertEquals(thoughts.length, numbers - 1);
      assert(Number(answer) >= 10 && Number(answer) <= 100, answer);
      assertEquals(question.split(": ")[1], answer);
    }
  }
  assertEquals(problems("test", 4, 5), problems("test", 4, 5));
  assertThrows(() => countdownProblem(0, { part: "test", numbers: 6 }), RangeError, "6 numbers");
});

Deno.test("countdownProblem() has other targets in each part", () => {
  const targets = (["train", "validation", "test"] as const).map((part) =>
    new Set(problems(part, 3, 2000).map(({ answer }) => answer))
  );
  assertEquals(targets.map(({ size }) => size), [73, 9, 9]);
  assertEquals(new Set(targets.flatMap((set) => [...set])).size, 91);
});

Deno.test("solvesCountdown() accepts any solution, and nothing else", () => {
  const question = "12, 40, 1: 53";
  for (const right of ["40+12=52 52+1=53 #### 53", "12+1=13 40+13=53", "1+40=41, 41+12=53"]) {
    assert(solvesCountdown(question, right), right);
  }
  const wrong = [
    "40+12=53", // a number is left
    "40+12=52 52+2=54", // another number
    "40+12=53 53*1=53", // a false equation
    "40+12=52 52+1=53 53-53=0", // too many
    "40+12=52 40+1=41", // a number twice
    "12/1=12 40+12=52", // another target
    "",
  ];
  for (const text of wrong) assert(!solvesCountdown(question, text), text);
  assert(!solvesCountdown("2, 3, 10: 11", "3/2=1 10+1=11"), "divisions have no remainder");
  assert(!solvesCountdown("2, 3, 12: 11", "2-3=-1 12+-1=11"), "results are above 0");
});
