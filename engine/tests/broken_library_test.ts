/** Devices in an installation with a broken native library: copies of base/ and engine/ with packages of their own. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import config from "../deno.json" with { type: "json" };
import { permitted } from "../../tests/permissions.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const PACKAGES = ["@tensorflow/tfjs", "@tensorflow/tfjs-backend-wasm", "protobufjs"] as const;
const LIBRARY = "bin/napi-v6/linux/x64/onnxruntime_binding.node";

/** Opens onnx, and then auto, and prints the results. */
const PROGRAM = `import { openDevice } from "./engine/device.ts";
for (const name of ["onnx", "auto"]) {
  try {
    const device = await openDevice(name, { threads: 1, log: console.log });
    console.log("opened " + device.name);
  } catch (error) {
    console.log(error.name + ": " + error.message);
  }
}`;

/** Runs {@linkcode PROGRAM} with the bytes `library` as the library of npm:onnxruntime-node. */
async function withLibrary(library: Uint8Array | undefined, flags: string[]): Promise<string[]> {
  const folder = await Deno.realPath(await Deno.makeTempDir());
  try {
    const packages = `${folder}/node_modules`;
    const own = `${packages}/onnxruntime-node`;
    const real = await Deno.realPath(`${ROOT}node_modules/onnxruntime-node`);
    await new Deno.Command("cp", { args: ["-r", `${ROOT}base`, `${ROOT}engine`, folder] }).output();
    await Deno.mkdir(`${own}/${LIBRARY.replace(/[^/]+$/, "")}`, { recursive: true });
    await Deno.mkdir(`${packages}/@tensorflow`, { recursive: true });
    for (const name of PACKAGES) {
      await Deno.symlink(await Deno.realPath(`${ROOT}node_modules/${name}`), `${packages}/${name}`);
    }
    const common = await Deno.realPath(`${real}/../onnxruntime-common`);
    await Deno.symlink(common, `${packages}/onnxruntime-common`);
    const parts = [`${real}/package.json`, `${real}/dist`];
    await new Deno.Command("cp", { args: ["-r", ...parts, own] }).output();
    if (library !== undefined) await Deno.writeFile(`${own}/${LIBRARY}`, library);
    const names = [...PACKAGES, "onnxruntime-node"] as const;
    const dependencies = Object.fromEntries(
      names.map((name) => [name, config.imports[name].split("@").at(-1)!]),
    );
    await Deno.writeTextFile(
      `${folder}/deno.json`,
      JSON.stringify({ nodeModulesDir: "manual", workspace: ["./base", "./engine"] }),
    );
    await Deno.writeTextFile(`${folder}/package.json`, JSON.stringify({ dependencies }));
    await Deno.writeTextFile(`${folder}/main.js`, PROGRAM);
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-q", "--no-check", "--no-lock", "--no-prompt", ...flags, "main.js"],
      cwd: folder,
      stderr: "inherit",
    }).output();
    return new TextDecoder().decode(stdout).trim().split("\n");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const ignore = Deno.build.os !== "linux" || Deno.build.arch !== "x86_64" ||
  !permitted({ name: "read" }, { name: "write" }, { name: "run" });

/** The bytes in place of the library, and the reason in the error's message. */
const BROKEN: Readonly<Record<string, { bytes: () => Uint8Array | undefined; why: RegExp }>> = {
  truncated: {
    bytes: () =>
      Deno.readFileSync(`${ROOT}node_modules/onnxruntime-node/${LIBRARY}`).subarray(0, 100_000),
    why: /onnxruntime_binding\.node is truncated/,
  },
  "no library at all": {
    bytes: () => new TextEncoder().encode("a page that says not found\n".repeat(9)),
    why: /invalid ELF header/,
  },
  absent: { bytes: () => undefined, why: /onnxruntime_binding\.node/ },
};

for (const [name, { bytes, why }] of Object.entries(BROKEN)) {
  Deno.test({
    name:
      `openDevice() explains, and auto falls back and reports it, when onnx's library is ${name}`,
    ignore,
    fn: async () => {
      const flags = ["--allow-read", "--allow-ffi"];
      const [onnx = "", auto = "", opened] = await withLibrary(bytes(), flags);
      assertMatch(onnx, /^UserError: The onnx device does not work here \(.+\): install the pack/);
      assertMatch(onnx, why);
      assertMatch(auto, /^auto: using the wasm device\. .*The tensorflow-gpu device /);
      assertStringIncludes(auto, onnx.replace("UserError: ", ""));
      assertEquals(opened, "opened wasm");
    },
  });
}
