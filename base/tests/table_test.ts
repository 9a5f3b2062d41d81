import { assertEquals } from "@std/assert";
import { tableLines } from "../table.ts";

const table = { columns: ["images", "FID"], rows: [["seed 0", "3.14"], ["real images", "12.00"]] };

Deno.test("tableLines() aligns names left and figures right", () => {
  assertEquals(tableLines(table), [
    "images         FID",
    "seed 0        3.14",
    "real images  12.00",
  ]);
});
