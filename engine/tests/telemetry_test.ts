import { assertEquals } from "@std/assert";
import { permitted } from "../../tests/permissions.ts";

Deno.test({
  name: "openDevice() prevents ONNX Runtime from writing to the user's folders",
  ignore: Deno.build.os !== "linux" ||
    !permitted({ name: "read" }, { name: "write" }, { name: "run" }, { name: "env" }),
  fn: async () => {
    const home = await Deno.makeTempDir();
    try {
      const root = new URL("../../", import.meta.url);
      const child = new Deno.Command(Deno.execPath(), {
        args: [
          "eval",
          "-q",
          "--no-lock",
          "--ext=ts",
          `import { openDevice } from "${new URL("engine/device.ts", root)}";
           const { name, compile } = await openDevice("onnx");
           const twice = compile(({ x }) => ({ y: x.add(x) }));
           const x = { dtype: "float32", shape: [1], data: Float32Array.of(3) };
           console.log(name, (await twice({ x })).y.data[0]);`,
        ],
        cwd: root,
        env: { HOME: home, XDG_CACHE_HOME: `${home}/cache`, DENO_DIR: await denoFolder() },
        stdin: "null",
        stdout: "piped",
        stderr: "piped",
      });
      const { code, stdout, stderr } = await child.output();
      assertEquals(code, 0, new TextDecoder().decode(stderr));
      assertEquals(new TextDecoder().decode(stdout), "onnx 6\n");
      assertEquals(await Array.fromAsync(Deno.readDir(home), ({ name }) => name), []);
    } finally {
      await Deno.remove(home, { recursive: true });
    }
  },
});

/** Deno's own folder, which would otherwise be made in the new home folder. */
async function denoFolder(): Promise<string> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
  return JSON.parse(new TextDecoder().decode(stdout)).denoDir;
}
