import { assertEquals } from "@std/assert";
import { isCutOff } from "../../engine/native_file.ts";
import { permitted } from "../permissions.ts";

Deno.test({
  name: "isCutOff() tells whole native code from what lacks its end, and leaves other files alone",
  ignore: Deno.build.os !== "linux" || !permitted({ name: "read" }, { name: "write" }),
  fn: async () => {
    const folder = await Deno.makeTempDir();
    try {
      const whole = Deno.readFileSync(Deno.execPath()).subarray(0, 64).slice();
      const view = new DataView(whole.buffer);
      view.setBigUint64(40, 1000n, true); // where the sections' table is
      view.setUint16(58, 64, true); // an entry
      view.setUint16(60, 3, true); // entries
      const sized = async (size: number, header: Uint8Array = whole) => {
        const bytes = new Uint8Array(size);
        bytes.set(header.subarray(0, size));
        await Deno.writeFile(`${folder}/code`, bytes);
        return isCutOff(`${folder}/code`);
      };
      assertEquals(await sized(1192), false);
      assertEquals(await sized(1191), true);
      assertEquals(await sized(10), true);
      assertEquals(await sized(100, new Uint8Array(64).fill(65)), false);
      assertEquals(isCutOff(`${folder}/none`), false);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
