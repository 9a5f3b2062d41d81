/** FIXTURES=DIR: tests take their reference values from another folder. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { inFolder } from "./in_folder.ts";
import { permitted } from "./permissions.ts";

Deno.test({
  name: "FIXTURES=DIR names the groups that DIR lacks, skips their tests, and runs the others",
  ignore: !permitted({ name: "read" }, { name: "write" }, { name: "run" }, { name: "env" }),
  fn: () =>
    inFolder(async (folder) => {
      const root = new URL("../", import.meta.url);
      const own = new URL("tests/fixtures/schedules.json", root);
      await Deno.copyFile(own, `${folder}/schedules.json`);
      const files = ["nn/adamw", "nn/safetensors", "diffusion/schedules"];
      const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
        args: ["test", "-q", "-P=test", "--no-check", ...files.map((f) => `tests/${f}_test.ts`)],
        cwd: root,
        env: { FIXTURES: folder, NO_COLOR: "1" },
      }).output();
      const [out, errors] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
      assertEquals(code, 0, out! + errors);
      const lacks = `FIXTURES=${folder} lacks`;
      for (const name of ["optimizers.json", "dtypes.safetensors", "unet_plain", "bert"]) {
        assertStringIncludes(out!, `${lacks} ${name}: skips its tests ... ignored`);
      }
      assert(!out!.includes(`${lacks} schedules.json`), out);
      const outcome = (test: string) =>
        out!.split("\n").find((line) => line.includes(test))?.split(" ... ")[1]?.split(" ")[0];
      assertEquals(outcome("PyTorch's adamw"), "ignored");
      assertEquals(outcome("agrees with the reference tables"), "ok");
    }),
});
