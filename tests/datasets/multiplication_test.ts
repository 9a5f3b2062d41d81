import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import {
  generateMultiplication,
  multiplicationPasses,
  multiplicationProblem,
  multiplicationTargets,
  type Operands,
} from "../../datasets/multiplication.ts";
import { hasRealData, publishedProblems } from "./real_data.ts";

/** A problem as it is published, in one line. */
function line(operands: Operands, digits: readonly [number, number]): string {
  const { question, thoughts, answer } = multiplicationProblem(operands, digits);
  return `${question}||${thoughts.join(" + ")} #### ${answer}`;
}

Deno.test("multiplicationProblem() gives the published lines of 4 and 5 digits", () => {
  assertEquals(
    line([2365, 4347], [4, 4]),
    "5 6 3 2 * 7 4 3 4||5 5 5 6 1 + 0 0 6 4 9 0 ( 5 5 1 1 1 1 ) + 0 0 5 9 0 7 0 ( 5 5 6 0 2 8 0 ) " +
      "+ 0 0 0 0 6 4 9 0 #### 5 5 6 0 8 2 0 1",
  );
  assertEquals(
    line([80097, 91072], [5, 5]),
    "7 9 0 0 8 * 2 7 0 1 9||4 9 1 0 6 1 + 0 9 7 6 0 6 5 ( 4 8 9 6 6 7 5 ) + 0 0 0 0 0 0 0 0 " +
      "( 4 8 9 6 6 7 5 0 ) + 0 0 0 7 9 0 0 8 0 ( 4 8 9 3 6 8 5 8 0 ) + 0 0 0 0 3 7 8 0 2 7 " +
      "#### 4 8 9 3 9 5 4 9 2 7",
  );
});

Deno.test("multiplicationProblem() accepts numbers of one digit and of different lengths", () => {
  assertEquals(line([7, 8], [1, 1]), "7 * 8||6 5 #### 6 5");
  assertEquals(line([12, 34], [2, 2]), "2 1 * 4 3||8 4 0 + 0 6 3 0 #### 8 0 4 0");
  assertEquals(line([123, 4], [3, 1]), "3 2 1 * 4||2 9 4 0 #### 2 9 4 0");
});

Deno.test("multiplicationProblem() throws when a number has more digits", () => {
  for (const a of [100, -1, 1.5, NaN]) {
    assertThrows(
      () => multiplicationProblem([a, 1], [2, 2]),
      RangeError,
      `${a} is not a whole number`,
    );
  }
});

Deno.test("multiplicationTargets() gives each product, each sum and the answer separately", () => {
  const cases: [Operands, [number, number], string[]][] = [
    [[7, 8], [1, 1], ["6 5", "#### 6 5"]],
    [[12, 34], [2, 2], ["8 4 0", "0 6 3 0", "#### 8 0 4 0"]],
    [[2365, 4347], [4, 4], [
      "5 5 5 6 1",
      "0 0 6 4 9 0",
      "( 5 5 1 1 1 1 )",
      "0 0 5 9 0 7 0",
      "( 5 5 6 0 2 8 0 )",
      "0 0 0 0 6 4 9 0",
      "#### 5 5 6 0 8 2 0 1",
    ]],
  ];
  for (const [operands, digits, targets] of cases) {
    assertEquals(multiplicationTargets(multiplicationProblem(operands, digits)), targets);
    assertEquals(multiplicationPasses(digits[1]), targets.length);
  }
});

const key = ([a, b]: Operands) => `${a},${b}`;

Deno.test("generateMultiplication() gives disjoint parts, and trains on no swapped held-out problem", () => {
  for (const digits of [[2, 2], [3, 3], [4, 4], [1, 2]] as const) {
    const { train, validation, test } = generateMultiplication({ digits, train: 20_000 });
    const heldOut = [...validation, ...test];
    const keys = [...train, ...heldOut].map(key);
    assertEquals(new Set(keys).size, keys.length);
    const trained = new Set(train.map(key));
    assertEquals(heldOut.filter(([a, b]) => trained.has(`${b},${a}`)), []);
    for (const [a, b] of [...train, ...heldOut]) {
      assertEquals([String(a).length, String(b).length], [...digits]);
    }
  }
});

Deno.test("generateMultiplication() gives all remaining problems when train is larger", () => {
  const { train, validation, test } = generateMultiplication({ digits: [2, 2], train: 1e6 });
  assertEquals([validation.length, test.length], [810, 810]);
  // All of the 8,100 except for held-out ones, and for at most one swapped problem without room in each
  // held-out part.
  const heldOut = new Set([...validation, ...test].map(key));
  const swapped = [...validation, ...test].filter(([a, b]) => !heldOut.has(key([b, a])));
  assert(swapped.length <= 2, String(swapped.length));
  assertEquals(train.length, 8100 - 1620 - swapped.length);
});

Deno.test("generateMultiplication() gives the same problems when called again", () => {
  const options = { digits: [4, 4], train: 10, validation: 10, test: 10 } as const;
  assertEquals(generateMultiplication(options), generateMultiplication(options));
  const { train } = generateMultiplication({ ...options, digits: [4, 5] });
  assertNotEquals(train, generateMultiplication(options).train);
});

Deno.test("generateMultiplication() throws when digits or sizes are out of range", () => {
  assertThrows(() => generateMultiplication({ digits: [0, 2] }), RangeError, "digits are 0,2");
  assertThrows(() => generateMultiplication({ digits: [8, 8] }), RangeError, "a sum of at most 15");
  assertThrows(
    () => generateMultiplication({ train: 0 }),
    RangeError,
    "0 problems: there must be at least 1",
  );
  assertThrows(
    () => generateMultiplication({ digits: [1, 1], test: 45, validation: 5 }),
    RangeError,
    "5 + 45 of 100 problems held out: it must be less than half",
  );
});

Deno.test({
  name: "multiplicationProblem() gives every published line of 4 and 5 digits",
  ignore: !hasRealData,
  async fn() {
    for (const n of [4, 5] as const) {
      const problems = await publishedProblems(`${n}_by_${n}_mult_valid`, " + ");
      assertEquals(problems.length, 1000);
      for (const problem of problems) {
        const [a, b] = problem.question.split(" * ")
          .map((digits) => Number(digits.split(" ").reverse().join("")));
        assertEquals(multiplicationProblem([a!, b!], [n, n]), problem);
      }
    }
  },
});
