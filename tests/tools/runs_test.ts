import { assertEquals } from "@std/assert";
import { runsIn } from "../../tools/runs.ts";
import { inFolder } from "../in_folder.ts";
import { permitted } from "../permissions.ts";

Deno.test({
  name: "runsIn() lists runs and samples with their last commands, the newest first",
  ignore: !permitted({ name: "read" }, { name: "write" }),
  fn: () =>
    inFolder(async (folder) => {
      const session = (started: string, ...command: string[]) => ({ started, command });
      const write = async (name: string, file: string, record: object) => {
        await Deno.mkdir(`${folder}/${name}`);
        await Deno.writeTextFile(`${folder}/${name}/${file}`, JSON.stringify(record));
      };
      await write("a", "config.json", {
        sessions: [session("2026-01-01", "image"), session("2026-01-03", "image", "--resume")],
      });
      await write("b", "record.json", { session: session("2026-01-04", "image", "--sample-only") });
      await write("c", "record.json", {});
      await write("d", "notes.json", {});
      assertEquals(await runsIn(folder), [
        { name: "b", started: "2026-01-04", command: "image --sample-only" },
        { name: "a", started: "2026-01-03", command: "image --resume" },
        { name: "c", started: "", command: "record.json cannot be read" },
      ]);
    }),
});
