import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { fileURLToPath } from "node:url";
import type { WinogradProblem } from "../../datasets/winograd.ts";
import { WSC273 } from "../../datasets/wsc273.ts";
import { UserError } from "../../base/errors.ts";
import { holdOutPairs, optionExample } from "../../text/commonsense_data.ts";
import { loadTextData } from "../../text/data.ts";
import { dataDir, hasRealData } from "../datasets/real_data.ts";
import { permitted } from "../permissions.ts";

const hasSample = permitted({ name: "read", path: fileURLToPath(WSC273.sample.folder) });

const problem = (id: string): WinogradProblem => ({
  id,
  sentence: "Ann thanked Eve because _ had helped.",
  options: ["Ann", "Eve"],
  answer: 1,
});

Deno.test("optionExample() has the clause from the blank on for each option, and the right index", () => {
  assertEquals(optionExample(problem("x"), "a set"), {
    source: "Ann thanked Eve because _ had helped.",
    targets: ["Eve had helped."],
    options: [{ name: "Ann", target: "Ann had helped." }, {
      name: "Eve",
      target: "Eve had helped.",
    }],
    right: 1,
    set: "a set",
  });
});

Deno.test("holdOutPairs() keeps twins together, whatever their order", () => {
  const twins = Array.from({ length: 20 }, (_, i) => [problem(`${i}-1`), problem(`${i}-2`)]);
  const problems = [...twins.map(([one]) => one!), ...twins.map(([, two]) => two!)];
  const { kept, heldOut } = holdOutPairs(problems, 6);
  assertEquals(kept.length + heldOut.length, 40);
  assert(heldOut.length >= 6);
  const names = (of: readonly WinogradProblem[]) => new Set(of.map(({ id }) => id.split("-")[0]));
  assertEquals(names(heldOut).size * 2, heldOut.length);
  assertEquals(names(kept).intersection(names(heldOut)).size, 0);
  assertThrows(() => holdOutPairs(twins[0]!, 1), RangeError, "leaves none");
});

const SETTINGS = {
  dataset: "commonsense" as const,
  digits: "2x2" as const,
  trainSize: "l" as const,
  validationSize: 10,
};

Deno.test({
  name: "loadTextData() has both clauses and two test sets for commonsense",
  ignore: !hasSample,
  fn: async () => {
    const data = await loadTextData({ preset: "smoke" }, SETTINGS);
    assertEquals(data.origin, "sample");
    const { train, validation, test } = data.examples({ condition: "sentence", maxThoughts: 1 });
    assertEquals(train.length + validation.length, 100);
    const sets = Map.groupBy(test, ({ set }) => set);
    assertEquals([...sets].map(([name, of]) => [name, of.length]), [
      ["WinoGrande dev", 40],
      ["WSC273", 40],
    ]);
    for (const { options, targets, right } of [...train, ...test]) {
      assertEquals(targets, [options![right!]!.target]);
    }
    for (const { options } of train) {
      for (const { target } of options!) assert(data.train.includes(target), target);
    }
    assertThrows(
      () => data.examples({ condition: "question", maxThoughts: 1 }),
      UserError,
      "--condition question is not for --dataset commonsense: use one of sentence",
    );
    await assertRejects(
      () => loadTextData({ preset: "smoke" }, { ...SETTINGS, validationSize: 100 }),
      UserError,
      "--validation-size 100: 100 of 100 examples",
    );
  },
});

Deno.test({
  name: "loadTextData() reads the real WinoGrande, without WSC273 if the folder lacks it",
  ignore: !hasRealData,
  fn: async () => {
    const whole = await loadTextData({ dataDir: dataDir! }, SETTINGS);
    const scored = (data: typeof whole) =>
      data.examples({ condition: "sentence", maxThoughts: 1 }).test.length;
    assertEquals([whole.rows, scored(whole)], [10_234 + 1_267 + 273, 1_267 + 273]);
    const part = await loadTextData({ dataDir: `${dataDir}/winogrande` }, SETTINGS);
    assertEquals(scored(part), 1_267);
    assertStringIncludes(part.description, "WSC273: not in the data folder");
  },
});
