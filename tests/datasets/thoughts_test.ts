import { assertEquals, assertThrows } from "@std/assert";
import { parseThoughtLines, solutionText, thoughtTargets } from "../../datasets/thoughts.ts";
import { UserError } from "../../base/errors.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const problem = { question: "?", thoughts: ["<<16-3-4=9>>", "<<9*2=18>>"], answer: "18" };

Deno.test("solutionText() and parseThoughtLines() give one another's form", () => {
  const line = "?||<<16-3-4=9>> <<9*2=18>> #### 18";
  assertEquals(`?||${solutionText(problem)}`, line);
  assertEquals(parseThoughtLines(bytes(`${line}\n`), "a.txt"), [problem]);
  // As the published files have it where there is no thought.
  assertEquals(solutionText({ thoughts: [], answer: "5" }), " #### 5");
  assertEquals(parseThoughtLines(bytes("?|| #### 5"), "a.txt"), [
    { question: "?", thoughts: [], answer: "5" },
  ]);
});

Deno.test("thoughtTargets() gives the last thought together with the answer", () => {
  assertEquals(thoughtTargets(problem), ["<<16-3-4=9>>", "<<9*2=18>> #### 18"]);
  assertEquals(thoughtTargets({ thoughts: [], answer: "5" }), ["#### 5"]);
});

Deno.test("parseThoughtLines() names the file and the line of a row that lacks something", () => {
  const cases = [
    ["? #### 5", 'one "||" is to stand between question and solution'],
    ["?||a||b #### 5", 'one "||" is to stand'],
    [" ||a #### 5", "a row without a question"],
    ["?||a", "a row without an answer"],
    ["?||a ####", "a row without an answer"],
  ] as const;
  for (const [line, message] of cases) {
    const file = bytes(`?|| #### 5\n\n${line}\n`);
    assertThrows(() => parseThoughtLines(file, "a.txt"), UserError, `a.txt:3: ${message}`);
  }
});
