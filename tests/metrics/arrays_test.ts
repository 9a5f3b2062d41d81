import { assertAlmostEquals, assertEquals } from "@std/assert";
import { areaUnder, insertSorted } from "../../metrics/arrays.ts";

Deno.test("insertSorted() keeps the rising order and drops the largest", () => {
  const smallest = Float64Array.of(Infinity, Infinity, Infinity);
  const places = [5, 1, 3, 9, 1, NaN].map((value) => insertSorted(smallest, value));
  assertEquals([...smallest], [1, 1, 3]);
  assertEquals(places, [0, 0, 1, -1, 1, -1]);
});

Deno.test("areaUnder() is the area under straight lines between points", () => {
  assertAlmostEquals(areaUnder([[0, 100], [0.5, 50], [1, 0]]), 50, 1e-12);
  assertAlmostEquals(areaUnder([[0, 80], [0.25, 40]]), 15, 1e-12);
  assertEquals(areaUnder([[0, 3]]), 0);
});
