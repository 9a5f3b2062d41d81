import { assertEquals, assertRejects } from "@std/assert";
import { UserError } from "../errors.ts";
import { makeFolder, writeFileAtomic } from "../files.ts";
import { permitted } from "../../tests/permissions.ts";

const ignore = !permitted({ name: "read" }, { name: "write" });

/** Runs a function with a new temporary folder. */
async function inFolder(fn: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await fn(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const names = (folder: string) => Array.from(Deno.readDirSync(folder), ({ name }) => name).sort();

Deno.test({
  name: "writeFileAtomic() writes and replaces a file, and leaves no other file",
  ignore,
  fn: () =>
    inFolder(async (folder) => {
      const path = `${folder}/a.txt`;
      await writeFileAtomic(path, "Grüße\n");
      assertEquals(await Deno.readTextFile(path), "Grüße\n");
      const bytes = Uint8Array.from({ length: 300_000 }, (_, i) => i * 7);
      await writeFileAtomic(path, bytes);
      assertEquals(await Deno.readFile(path), bytes);
      await writeFileAtomic(path, "");
      assertEquals(await Deno.readTextFile(path), "");
      assertEquals(names(folder), ["a.txt"]);
    }),
});

Deno.test({
  name: "writeFileAtomic() writes one of the contents completely when calls overlap",
  ignore,
  fn: () =>
    inFolder(async (folder) => {
      const contents = Array.from({ length: 8 }, (_, i) => `${i}`.repeat(50_000));
      await Promise.all(contents.map((content) => writeFileAtomic(`${folder}/a`, content)));
      assertEquals(contents.includes(await Deno.readTextFile(`${folder}/a`)), true);
      assertEquals(names(folder), ["a"]);
    }),
});

Deno.test({
  name: "writeFileAtomic() leaves no temporary file when it cannot write or rename",
  ignore,
  fn: () =>
    inFolder(async (folder) => {
      await assertRejects(
        () => writeFileAtomic(`${folder}/none/a`, "x"),
        UserError,
        `cannot write ${folder}/none/a: no such file or folder`,
      );
      await Deno.mkdir(`${folder}/b`);
      await Deno.writeTextFile(`${folder}/b/c`, "kept");
      await assertRejects(
        () => writeFileAtomic(`${folder}/b`, "x"),
        UserError,
        `write ${folder}/b`,
      );
      assertEquals(names(folder), ["b"]);
      assertEquals(await Deno.readTextFile(`${folder}/b/c`), "kept");
    }),
});

Deno.test({
  name: "makeFolder() makes parents and accepts an existing folder, but not a file",
  ignore,
  fn: () =>
    inFolder(async (folder) => {
      await makeFolder(`${folder}/a/b`);
      await makeFolder(`${folder}/a/b`);
      assertEquals(names(`${folder}/a`), ["b"]);
      await Deno.writeTextFile(`${folder}/file`, "");
      await assertRejects(() => makeFolder(`${folder}/file`), UserError, "create the folder");
      await assertRejects(() => makeFolder(`${folder}/file/c`), UserError, "not a folder");
    }),
});
