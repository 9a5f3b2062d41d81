import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { UserError } from "../../base/errors.ts";
import { cachedResult, readCachedResult } from "../../cli/cached_result.ts";
import { permitted } from "../permissions.ts";

Deno.test({
  name: "cachedResult() computes a result again only for other inputs, in an empty folder",
  ignore: !permitted({ name: "read" }, { name: "write" }),
  fn: async () => {
    const place = await Deno.makeTempDir();
    const folder = `${place}/made`;
    const lines: string[] = [];
    let made = 0;
    const from = (seed: number) =>
      cachedResult(folder, { seed, other: { a: 1 } }, "it is", {
        make: async () => {
          await Deno.writeTextFile(`${folder}/${seed}.txt`, "");
          return { seed, made: ++made };
        },
        log: (line) => lines.push(line),
      });
    try {
      assertEquals(await readCachedResult(folder), undefined);
      assertEquals(await from(1), { seed: 1, made: 1 });
      assertEquals(await from(1), { seed: 1, made: 1 });
      assertStringIncludes(lines.join(), `it is in ${folder} already`);
      assertEquals(await from(2), { seed: 2, made: 2 });
      const names = Array.from(Deno.readDirSync(folder), ({ name }) => name).sort();
      assertEquals(names, ["2.txt", "record.json"]);
      assertEquals((await readCachedResult(folder))?.["result"], { seed: 2, made: 2 });
      assertEquals(lines.length, 1);
    } finally {
      await Deno.remove(place, { recursive: true });
    }
  },
});

Deno.test({
  name: "cachedResult() refuses a result that was altered, and names its file",
  ignore: !permitted({ name: "read" }, { name: "write" }),
  fn: async () => {
    const folder = await Deno.makeTempDir();
    const path = `${folder}/record.json`;
    const makeTexts = (...texts: string[]) =>
      cachedResult(folder, { seed: 1 }, "it is", {
        make: () => Promise.resolve({ texts }),
        log() {},
      });
    try {
      await makeTexts("a", "b");
      const written = await Deno.readTextFile(path);
      for (const result of ['"x"', "null", '{"texts": "ab"}', '{"texts": ["a", "c"]}']) {
        const { result: _, ...rest } = JSON.parse(written);
        await Deno.writeTextFile(path, `${JSON.stringify(rest).slice(0, -1)},"result":${result}}`);
        for (const read of [() => makeTexts("c"), () => readCachedResult(folder)]) {
          await assertRejects(read, UserError, `${path} was altered`);
        }
      }
      // White space does not matter.
      await Deno.writeTextFile(path, JSON.stringify(JSON.parse(written)));
      assertEquals(await makeTexts("c"), { texts: ["a", "b"] });
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
