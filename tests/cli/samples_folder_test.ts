import { assertEquals, assertRejects } from "@std/assert";
import { UserError } from "../../base/errors.ts";
import { newFolder, recordOfCheckpoint } from "../../cli/samples_folder.ts";
import { inFolder } from "../in_folder.ts";
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
  name: "recordOfCheckpoint() is undefined when the checkpoint is of no run",
  ignore,
  fn: () =>
    inFolder(async (folder) => {
      assertEquals(await recordOfCheckpoint(`${folder}/checkpoints/step-1`), undefined);
      assertEquals(await recordOfCheckpoint("checkpoints/fashion-mnist"), undefined);
    }),
});
