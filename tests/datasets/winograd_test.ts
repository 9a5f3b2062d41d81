import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { fileURLToPath } from "node:url";
import { completions, parseWinograd, type WinogradProblem } from "../../datasets/winograd.ts";
import {
  loadWinogrande,
  winogrande,
  WINOGRANDE_SIZES,
  type WinograndeSize,
} from "../../datasets/winogrande.ts";
import { loadWsc273, WSC273 } from "../../datasets/wsc273.ts";
import { UserError } from "../../base/errors.ts";
import { permitted } from "../permissions.ts";
import { dataDir, hasRealData } from "./real_data.ts";

const hasSample = permitted({ name: "read", path: fileURLToPath(WSC273.sample.folder) });

const row = {
  qID: "own-1",
  sentence: "Ann thanked Eve because _ had helped.",
  option1: "Ann",
  option2: "Eve",
  answer: "2",
};
const bytes = (...rows: object[]) =>
  new TextEncoder().encode(rows.map((row) => JSON.stringify(row) + "\n").join(""));

/** The number of answers of each option. */
const answers = (problems: readonly WinogradProblem[]) =>
  [0, 1].map((option) => problems.filter(({ answer }) => answer === option).length);

Deno.test("parseWinograd() reads a problem, and names the file and the line when one is invalid", () => {
  assertEquals(parseWinograd(bytes(row), "a.jsonl"), [{
    id: "own-1",
    sentence: "Ann thanked Eve because _ had helped.",
    options: ["Ann", "Eve"],
    answer: 1,
  }]);
  const cases = [
    [{ answer: "\u001b[2J" }, 'the answer is "\\u001b[2J", which is neither'],
    [{ sentence: "No blank." }, 'the sentence must have one blank, "_": "No blank."'],
    [{ sentence: "_ and _" }, "the sentence must have one blank"],
    [{ option2: "Ann" }, 'both options are "Ann"'],
    [{ answer: "3" }, 'the answer is "3", which is neither "1" nor "2"'],
    [{ answer: undefined }, 'a row without "answer"'],
    [{ option1: "" }, 'a row without "option1"'],
  ] as const;
  for (const [change, message] of cases) {
    const file = bytes(row, { ...row, ...change });
    assertThrows(() => parseWinograd(file, "a.jsonl"), UserError, `a.jsonl:2: ${message}`);
  }
});

Deno.test("completions() gives the sentence and the completed clause for each option", () => {
  const [problem] = parseWinograd(bytes(row), "a.jsonl");
  assertEquals(completions(problem!), [
    { condition: row.sentence, target: "Ann had helped." },
    { condition: row.sentence, target: "Eve had helped." },
  ]);
  const atTheEnd = parseWinograd(bytes({ ...row, sentence: "We saw _." }), "a.jsonl");
  assertEquals(completions(atTheEnd[0]!).map(({ target }) => target), ["Ann.", "Eve."]);
});

Deno.test("winogrande() throws when the size is unknown", () => {
  assertThrows(() => winogrande("xxl" as WinograndeSize), UserError, "there are xs, s, m, l, xl");
});

/** Asserts that twins have the same pair of options and both answers. */
function assertTwins(problems: readonly WinogradProblem[]) {
  for (let i = 0; i < problems.length; i += 2) {
    const [one, two] = problems.slice(i, i + 2);
    assertEquals([one!.id.slice(0, -2), one!.options], [two!.id.slice(0, -2), two!.options]);
    assertEquals(one!.answer + two!.answer, 1);
    assert(one!.sentence !== two!.sentence);
  }
}

Deno.test({
  name: "loadWinogrande() and loadWsc273() give the bundled samples when sampleOnly is set",
  ignore: !hasSample,
  async fn() {
    const { train, dev, origin } = await loadWinogrande({ sampleOnly: true });
    const { test } = await loadWsc273({ sampleOnly: true });
    assertEquals([train.length, dev.length, test.length, origin], [100, 40, 40, "sample"]);
    for (const problems of [train, dev, test]) assertTwins(problems);
    const all = [...train, ...dev, ...test];
    assertEquals(new Set(all.map(({ sentence }) => sentence)).size, 180);
    // No pair is in two files.
    assertEquals(new Set(all.map(({ id }) => id)).size, 180);
    // Both options are equally good guesses.
    assertEquals(answers(all), [90, 90]);
  },
});

Deno.test({
  name: "loadWinogrande() and loadWsc273() give the real sets when a folder has them",
  ignore: !hasRealData,
  async fn() {
    const rows = { xs: 160, s: 640, m: 2558, l: 10_234, debiased: 9248 };
    for (const size of WINOGRANDE_SIZES) {
      if (size === "xl") continue; // Not in the folder.
      const { train, dev } = await loadWinogrande({ dataDir, size });
      assertEquals([train.length, dev.length], [rows[size], 1267]);
      assertEquals(answers(dev), [628, 639]);
    }
    await assertRejects(
      () => loadWinogrande({ dataDir, size: "xl" }),
      UserError,
      "lacks train_xl.jsonl.gz; put them there too",
    );
    assertEquals(answers((await loadWsc273({ dataDir })).test), [137, 136]);
  },
});
