import { assertEquals } from "@std/assert";
import config from "../deno.json" with { type: "json" };
import { permitted } from "../../tests/permissions.ts";

Deno.test({
  name: "deno.json exports every file of base",
  ignore: !permitted({ name: "read" }),
  fn: () => {
    const files = Array.from(Deno.readDirSync(new URL("../", import.meta.url)), ({ name }) => name);
    const modules = files.filter((name) => name.endsWith(".ts"));
    const expected = modules.map((name) => [
      `./${name.replace(/\.ts$/, "").replaceAll("_", "-")}`,
      `./${name}`,
    ]);
    assertEquals(config.exports, Object.fromEntries(expected) as typeof config.exports);
  },
});
