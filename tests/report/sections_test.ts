import { assertEquals } from "@std/assert";
import { renderSection, tableLines } from "../../report/sections.ts";
import { parseMarkup } from "./markup.ts";

const table = { columns: ["images", "FID"], rows: [["seed 0", "3.14"], ["real images", "12.00"]] };

Deno.test("tableLines() aligns names left and figures right", () => {
  assertEquals(tableLines(table), [
    "images         FID",
    "seed 0        3.14",
    "real images  12.00",
  ]);
});

Deno.test("renderSection() renders table, notes, plots and pictures in this order", () => {
  const plot = {
    title: "Curve",
    xLabel: "t",
    yLabel: "loss",
    series: [{ name: "a", x: [1, 2], y: [3, 4] }],
  };
  const content = renderSection({
    heading: "Evaluation",
    table,
    notes: ["a < b"],
    plots: [plot],
    pictures: [{ caption: "c", png: Uint8Array.of(1) }],
  });
  const elements = content.flatMap((part) => parseMarkup(part.toString()));
  const text = (name: string) => elements.filter((e) => e.name === name).map((e) => e.text);
  assertEquals(text("th"), ["images", "FID", "seed 0", "real images"]);
  assertEquals(text("td"), ["3.14", "12.00"]);
  assertEquals(text("p"), ["a < b"]);
  const order = elements.map(({ name }) => name)
    .filter((name) => ["table", "p", "svg", "figcaption"].includes(name));
  assertEquals(order, ["table", "p", "svg", "figcaption"]);
});
