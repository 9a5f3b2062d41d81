import { assertEquals } from "@std/assert";
import { deviceWorks } from "../../tests/devices.ts";
import { permitted } from "../../tests/permissions.ts";

const ROOT = new URL("../../", import.meta.url);

Deno.test({
  name: "README.md's example finds the weights of its linear regression",
  ignore: !deviceWorks("onnx") || !permitted({ name: "read" }, { name: "write" }, { name: "run" }),
  fn: async () => {
    const readme = await Deno.readTextFile(new URL("engine/README.md", ROOT));
    const [, example = ""] = /^```ts\n(.*?)^```$/ms.exec(readme) ?? [];
    // In this folder, so that the workspace resolves the package's name.
    const main = await Deno.makeTempFile({ dir: import.meta.dirname!, suffix: ".ts" });
    try {
      await Deno.writeTextFile(
        main,
        example.replace("console.log(w.data)", "console.log([...w.data].map(Math.round))"),
      );
      const flags = ["--allow-read", "--allow-env", "--allow-ffi"];
      const { stdout } = await new Deno.Command(Deno.execPath(), {
        args: ["run", "-q", "--check", "--no-prompt", ...flags, main],
        stderr: "inherit",
      }).output();
      assertEquals(new TextDecoder().decode(stdout), "[ 2, -1 ]\n");
    } finally {
      await Deno.remove(main);
    }
  },
});
