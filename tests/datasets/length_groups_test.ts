import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { batcher, groupByLength } from "../../datasets/batches.ts";
import { randomStream } from "../../nn/random.ts";

/** Lengths 0 to 99 in random order: two neighbours differ by 33 on average. */
const LENGTHS = Array.from(randomStream(1).permutation(1000), (value) => value % 100);
const lengthOf = (index: number) => LENGTHS[index]!;

/** The longest minus the shortest length of a batch, on average. */
function meanRange(batches: readonly Iterable<number>[]): number {
  const ranges = batches.map((batch) => {
    const lengths = Array.from(batch, lengthOf);
    return Math.max(...lengths) - Math.min(...lengths);
  });
  return ranges.reduce((sum, range) => sum + range, 0) / ranges.length;
}

Deno.test("groupByLength() keeps every index, and the order before the first whole batch", () => {
  const order = randomStream(0).permutation(1000);
  const options = { lengthOf, batchSize: 10, start: 7, random: randomStream(0) };
  const grouped = groupByLength(order, options);
  assertEquals([...grouped].sort((a, b) => a - b), Array.from({ length: 1000 }, (_, i) => i));
  assertEquals(grouped.slice(0, 7), order.slice(0, 7));
  assertEquals(grouped.slice(997), order.slice(997));
  assertEquals(groupByLength(order, options), grouped);
  const starts = (from: number) => Array.from({ length: 16 }, (_, i) => from + 10 * i);
  const first = starts(7).map((start) => lengthOf(grouped[start]!));
  assertNotEquals(first, [...first].sort((a, b) => a - b)); // batches are in random order
  // A pool holds the same examples as before.
  const pool = (of: Uint32Array) => [...of.slice(7, 167)].sort((a, b) => a - b);
  assertEquals(pool(grouped), pool(order));
});

Deno.test("batcher() uses every example once per epoch, in batches of similar length when given lengthOf", () => {
  const options = { size: 1000, batchSize: 32, random: randomStream(0) };
  const [plain, grouped] = [batcher(options), batcher({ ...options, lengthOf })];
  const steps = Array.from({ length: 125 }, (_, step) => step); // 4 epochs
  const seen = new Uint8Array(1000);
  for (const step of steps) for (const index of grouped(step)) seen[index]!++;
  assert(seen.every((count) => count === 4));
  assertEquals(batcher({ ...options, lengthOf })(70), grouped(70)); // a function of the step
  // 32 of 100 lengths span 94 of them; a 16th of a pool spans 6.
  assert(meanRange(steps.map(plain)) > 85);
  const range = meanRange(steps.map(grouped));
  assert(range < 15, String(range)); // batches across the end of an epoch included
});
