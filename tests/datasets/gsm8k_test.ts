import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { fileURLToPath } from "node:url";
import { GSM8K, loadGsm8k, parseGsm8k } from "../../datasets/gsm8k.ts";
import type { ThoughtProblem } from "../../datasets/thoughts.ts";
import { UserError } from "../../base/errors.ts";
import { permitted } from "../permissions.ts";
import { dataDir, hasRealData, publishedProblems } from "./real_data.ts";

const hasSample = permitted({ name: "read", path: fileURLToPath(GSM8K.sample.folder) });
const bytes = (text: string) => new TextEncoder().encode(text);

// The first problem of the test file.
const DUCKS = {
  question: "Janet\u2019s ducks lay 16 eggs per day.",
  answer:
    "Janet sells 16 - 3 - 4 = <<16-3-4=9>>9 duck eggs a day.\nShe makes 9 * 2 = $<<9*2=18>>18 " +
    "every day at the farmer\u2019s market.\n#### 18",
};

Deno.test("parseGsm8k() gives thoughts as equations or as sentences", () => {
  const read = (form?: "sentences" | "equations") =>
    parseGsm8k(bytes(JSON.stringify(DUCKS)), "a.jsonl", form)[0]!;
  const { question, thoughts, answer } = read();
  assertEquals([question, answer], [DUCKS.question, "18"]);
  assertEquals(thoughts, ["<<16-3-4=9>>", "<<9*2=18>>"]);
  assertEquals(read("sentences").thoughts, [
    "Janet sells 16 - 3 - 4 = 9 duck eggs a day.",
    "She makes 9 * 2 = $18 every day at the farmer\u2019s market.",
  ]);
});

Deno.test("parseGsm8k() takes amounts and decimals without a leading digit for answers", () => {
  for (const right of ["$5", ".5", "-3", "1,234."]) {
    const file = bytes(JSON.stringify({ question: "?", answer: `#### ${right}` }));
    assertEquals(parseGsm8k(file, "a.jsonl")[0]!.answer, right);
  }
});

Deno.test("parseGsm8k() names the file and the line when a row lacks a question or an answer", () => {
  const bad = [
    [{ answer: "#### 5" }, 'a row without "question"'],
    [{ question: "?" }, 'a row without "answer"'],
    [{ question: "?", answer: "It is 5." }, "a row without an answer"],
    [{ question: "?", answer: "#### five" }, "a row without an answer"],
    [{ question: "?", answer: "#### 4\n#### 5" }, "a row without an answer"],
    [{ question: "?", answer: "#### 1.2.3" }, "a row without an answer"],
    [{ question: "?", answer: "#### ," }, "a row without an answer"],
  ] as const;
  for (const [row, message] of bad) {
    const file = bytes(`${JSON.stringify(DUCKS)}\n${JSON.stringify(row)}\n`);
    assertThrows(() => parseGsm8k(file, "a.jsonl"), UserError, `a.jsonl:2: ${message}`);
  }
});

/** The value of an expression of +, -, *, / and brackets, by recursive descent. */
function evaluate(expression: string): number {
  const tokens = expression.match(/\d*\.?\d+|[-+*/()]/g) ?? [];
  let at = 0;
  const factor = (): number => {
    const token = tokens[at++];
    if (token === "-") return -factor();
    if (token !== "(") return Number(token);
    const value = sum();
    at++;
    return value;
  };
  const product = (): number => {
    let value = factor();
    while (tokens[at] === "*" || tokens[at] === "/") {
      value = tokens[at++] === "*" ? value * factor() : value / factor();
    }
    return value;
  };
  function sum(): number {
    let value = product();
    while (tokens[at] === "+" || tokens[at] === "-") {
      value = tokens[at++] === "+" ? value + product() : value - product();
    }
    return value;
  }
  const value = sum();
  assertEquals([at, tokens.join("")], [tokens.length, expression]);
  return value;
}

/** Both sides of a marked equation. */
const sides = (mark: string) => mark.slice(2, -2).split("=") as [string, string];

Deno.test({
  name: "loadGsm8k() gives a sample whose calculations are all right and lead to the answers",
  ignore: !hasSample,
  async fn() {
    const { train, validation, test } = await loadGsm8k({ sampleOnly: true });
    assertEquals([train.length, validation.length, test.length], [80, 10, 30]);
    const all = [...train, ...validation, ...test];
    assertEquals(new Set(all.map(({ question }) => question)).size, 120);
    for (const { question, thoughts, answer } of all) {
      assert(thoughts.length > 0, question);
      for (const [left, right] of thoughts.map(sides)) {
        assertAlmostEquals(evaluate(left), Number(right), 1e-9, `${left} in ${question}`);
      }
      assertEquals(sides(thoughts.at(-1)!)[1], answer, question);
    }
    const { test: sentences } = await loadGsm8k({ sampleOnly: true, thoughts: "sentences" });
    assertEquals(sentences.flatMap(({ thoughts }) => thoughts).filter((t) => /<<|>>/.test(t)), []);
  },
});

Deno.test({
  name: "loadGsm8k() agrees with the published equations when the real set is available",
  ignore: !hasRealData,
  async fn() {
    const { train, validation, test } = await loadGsm8k({ dataDir });
    assertEquals([train.length, validation.length, test.length], [6973, 500, 1319]);
    assertEquals(test, await publishedProblems("gsm8k_test", " "));
    const byQuestion = new Map([...train, ...validation].map((p) => [p.question.trim(), p]));
    const trimmed = ({ question, ...rest }: ThoughtProblem) => ({
      ...rest,
      question: question.trim(),
    });
    for (const problem of await publishedProblems("gsm8k_valid", " ")) {
      assertEquals(trimmed(byQuestion.get(problem.question.trim())!), trimmed(problem));
    }
  },
});
