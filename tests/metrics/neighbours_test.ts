import { assertEquals, assertRejects } from "@std/assert";
import { UserError } from "../../base/errors.ts";
import { nearestNeighbours } from "../../metrics/nearest_neighbours.ts";
import { precisionRecall } from "../../metrics/precision_recall.ts";

const points = (...values: number[]) => ({ data: Float64Array.from(values), width: 1 });

Deno.test("nearestNeighbours() finds the nearest points of a line, and the first when distances are equal", async () => {
  const [found] = await nearestNeighbours(points(4), points(0, 3, 9, 5, 7), { k: 3 });
  assertEquals([...found!.indices], [1, 3, 4]);
  assertEquals([...found!.distances], [1, 1, 3]);
});

Deno.test("nearestNeighbours() throws when k exceeds the candidates", async () => {
  await assertRejects(
    () => nearestNeighbours(points(1), points(1, 2), { k: 3 }),
    UserError,
    "1 to 2",
  );
});

Deno.test("precisionRecall() counts samples near real points and real points near samples", async () => {
  // With k = 1 every sphere has radius 1, the distance to the next point.
  const real = points(0, 1, 10, 11);
  const samples = points(0.5, 1.5, 50, 51);
  assertEquals(await precisionRecall(real, samples, { k: 1 }), { precision: 0.5, recall: 0.5 });
});
