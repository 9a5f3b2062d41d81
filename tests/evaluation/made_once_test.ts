import { assertEquals, assertStringIncludes } from "@std/assert";
import { madeBefore, madeOnce } from "../../evaluation/made_once.ts";
import { permitted } from "../permissions.ts";

Deno.test({
  name: "madeOnce() makes a result again only from something else, in an empty folder",
  ignore: !permitted({ name: "read" }, { name: "write" }),
  fn: async () => {
    const place = await Deno.makeTempDir();
    const folder = `${place}/made`;
    const said: string[] = [];
    let made = 0;
    const from = (seed: number) =>
      madeOnce(folder, { seed, other: { a: 1 } }, "it is", {
        make: async () => {
          await Deno.writeTextFile(`${folder}/${seed}.txt`, "");
          return { seed, made: ++made };
        },
        log: (line) => said.push(line),
      });
    try {
      assertEquals(await madeBefore(folder), undefined);
      assertEquals(await from(1), { seed: 1, made: 1 });
      assertEquals(await from(1), { seed: 1, made: 1 });
      assertStringIncludes(said.join(), `it is in ${folder} already`);
      assertEquals(await from(2), { seed: 2, made: 2 });
      const names = Array.from(Deno.readDirSync(folder), ({ name }) => name).sort();
      assertEquals(names, ["2.txt", "record.json"]);
      assertEquals((await madeBefore(folder))?.["result"], { seed: 2, made: 2 });
      assertEquals(said.length, 1);
    } finally {
      await Deno.remove(place, { recursive: true });
    }
  },
});
