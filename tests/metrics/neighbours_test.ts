import { assertEquals, assertRejects } from "@std/assert";
import { UserError } from "../../base/errors.ts";
import { nearestNeighbours } from "../../metrics/nearest_neighbours.ts";
import { precisionRecall } from "../../metrics/precision_recall.ts";
import { insertSorted } from "../../metrics/arrays.ts";

const points = (...values: number[]) => ({ data: Float64Array.from(values), width: 1 });

Deno.test("insertSorted() keeps rising order and drops the largest", () => {
  const smallest = Float64Array.of(Infinity, Infinity, Infinity);
  const places = [5, 1, 3, 9, 1, NaN].map((value) => insertSorted(smallest, value));
  assertEquals([...smallest], [1, 1, 3]);
  assertEquals(places, [0, 0, 1, -1, 1, -1]);
});

Deno.test("nearestNeighbours() finds the nearest points of a line, the first of equals first", async () => {
  const [found] = await nearestNeighbours(points(4), points(0, 3, 9, 5, 7), { k: 3 });
  assertEquals([...found!.indices], [1, 3, 4]);
  assertEquals([...found!.distances], [1, 1, 3]);
});

Deno.test("nearestNeighbours() refuses to find more than there are", async () => {
  await assertRejects(
    () => nearestNeighbours(points(1), points(1, 2), { k: 3 }),
    UserError,
    "1 to 2",
  );
});

Deno.test("precisionRecall() counts samples near real points and real points near samples", async () => {
  // With k = 1 every sphere of these reaches to the next point, one away.
  const real = points(0, 1, 10, 11);
  const samples = points(0.5, 1.5, 50, 51);
  assertEquals(await precisionRecall(real, samples, { k: 1 }), { precision: 0.5, recall: 0.5 });
});
