import { assertEquals } from "@std/assert";
import { isTruncated } from "../native_code.ts";
import { permitted } from "../../tests/permissions.ts";

Deno.test({
  name: "isTruncated() is true for native code without its end, and false for other files",
  ignore: Deno.build.os !== "linux" || !permitted({ name: "read" }, { name: "write" }),
  fn: async () => {
    const folder = await Deno.makeTempDir();
    try {
      const whole = Deno.readFileSync(Deno.execPath()).subarray(0, 64).slice();
      const view = new DataView(whole.buffer);
      view.setBigUint64(40, 1000n, true); // offset of the section table
      view.setUint16(58, 64, true); // size of an entry
      view.setUint16(60, 3, true); // number of entries
      const sized = async (size: number, header: Uint8Array = whole) => {
        const bytes = new Uint8Array(size);
        bytes.set(header.subarray(0, size));
        await Deno.writeFile(`${folder}/code`, bytes);
        return isTruncated(`${folder}/code`);
      };
      assertEquals(await sized(1192), false);
      assertEquals(await sized(1191), true);
      assertEquals(await sized(10), true);
      assertEquals(await sized(100, new Uint8Array(64).fill(65)), false);
      assertEquals(isTruncated(`${folder}/none`), false);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

/** Reaches the limit of open files, closes some, and prints the errors. */
const EXHAUSTED = `
import { openFilesError } from "../native_code.ts";
import { loadOnnxRuntime } from "../onnx_library.ts";
const path = Deno.execPath();
console.log(openFilesError(path));
const held = [];
try {
  while (held.length < 1000) held.push(Deno.openSync(path));
} catch { /* the limit is reached */ }
for (let left = 0; left < 5; left++) {
  console.log(openFilesError(path)?.code);
  held.pop().close();
}
while (true) {
  try {
    held.push(Deno.openSync(path));
  } catch {
    break;
  }
}
await loadOnnxRuntime().then(() => console.log("loaded"), (error) => console.log(error.message));
`;

Deno.test({
  name:
    "openFilesError() returns, and loadOnnxRuntime() throws, the system's error at the limit of open files",
  ignore: Deno.build.os !== "linux" || Deno.build.arch !== "x86_64" ||
    !permitted({ name: "read" }, { name: "write" }, { name: "run" }),
  fn: async () => {
    const main = await Deno.makeTempFile({ dir: import.meta.dirname!, suffix: ".js" });
    try {
      await Deno.writeTextFile(main, EXHAUSTED);
      const run = 'ulimit -n 64; exec "$0" run -q --no-check --allow-read --allow-ffi "$1"';
      const { stdout } = await new Deno.Command("sh", {
        args: ["-c", run, Deno.execPath(), main],
        stderr: "inherit",
      }).output();
      assertEquals(new TextDecoder().decode(stdout).trim().split("\n"), [
        "undefined",
        "EMFILE",
        "EMFILE",
        "EMFILE",
        "EMFILE",
        "undefined",
        "cannot load ONNX Runtime: too many files are open: raise the limit (ulimit -n) and run the " +
        "command again",
      ]);
    } finally {
      await Deno.remove(main);
    }
  },
});
