import { assertEquals, assertRejects } from "@std/assert";
import { UserError } from "../../base/errors.ts";
import { newFolder, recordOfCheckpoint } from "../../cli/samples_folder.ts";
import { inFolder } from "../in_folder.ts";
import { runSnippet, snippetsWork } from "../run_snippet.ts";
import { permitted } from "../permissions.ts";

const ignore = !permitted({ name: "read" }, { name: "write" });

Deno.test({
  name: "newFolder() numbers the name when folders of it are not empty",
  ignore,
  fn: () =>
    inFolder(async (folder) => {
      const name = `${folder}/samples`;
      assertEquals(await newFolder(undefined, name), name);
      await Deno.mkdir(name);
      assertEquals(await newFolder(undefined, name), name); // it is empty
      for (const taken of [name, `${name}-2`]) await Deno.mkdir(`${taken}/x`, { recursive: true });
      assertEquals(await newFolder(undefined, name), `${name}-3`);
    }),
});

Deno.test({
  name: "newFolder() throws when --out names a folder that is not empty",
  ignore,
  fn: () =>
    inFolder(async (folder) => {
      assertEquals(await newFolder(`${folder}/new`, "x"), `${folder}/new`);
      await Deno.writeTextFile(`${folder}/config.json`, "{}");
      await assertRejects(() => newFolder(folder, "x"), UserError, "is not empty");
    }),
});

Deno.test({
  name: "newFolder() removes a folder with nothing but a record when the program is interrupted",
  ignore: !snippetsWork || Deno.build.os === "windows",
  fn: () =>
    inFolder(async (folder) => {
      const interrupt = (files: string) =>
        runSnippet(
          { "leaveOnInterrupt": "cli/interrupt.ts", "newFolder": "cli/samples_folder.ts" },
          `leaveOnInterrupt();
           const folder = await newFolder(undefined, ${JSON.stringify(`${folder}/samples`)});
           Deno.mkdirSync(folder);
           for (const file of ${files}) Deno.writeTextFileSync(folder + "/" + file, "");
           Deno.kill(Deno.pid, "SIGINT");
           await new Promise((resolve) => setTimeout(resolve, 20_000));`,
        );
      const early = await interrupt('["record.json"]');
      assertEquals([early.code, early.stderr], [130, "interrupted: nothing was written\n"]);
      assertEquals((await Array.fromAsync(Deno.readDir(folder))).length, 0);
      const late = await interrupt('["record.json", "grid.png"]');
      assertEquals(
        late.stderr,
        `interrupted: what was finished is in ${folder}/samples; the same command starts anew\n`,
      );
      assertEquals((await Array.fromAsync(Deno.readDir(`${folder}/samples`))).length, 2);
    }),
});

Deno.test({
  name: "recordOfCheckpoint() is undefined when the checkpoint is of no run",
  ignore,
  fn: () =>
    inFolder(async (folder) => {
      assertEquals(await recordOfCheckpoint(`${folder}/checkpoints/step-1`), undefined);
      assertEquals(await recordOfCheckpoint("checkpoints/fashion-mnist"), undefined);
    }),
});
