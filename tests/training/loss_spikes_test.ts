import { assertEquals } from "@std/assert";
import { LossSpikes } from "../../training/watch_steps.ts";

/** The ratios at which spikes begin, by the number of the loss. */
function spikesOf(losses: readonly number[]): Record<string, number | undefined> {
  const spikes = new LossSpikes();
  const found = losses.map((loss, i) => [i, spikes.add(loss)] as const);
  return Object.fromEntries(found.filter(([, ratio]) => ratio !== undefined));
}

const steady = (count: number, loss = 2) => Array<number>(count).fill(loss);

Deno.test("add() tells of a loss that is ten times the median of those before it", () => {
  assertEquals(spikesOf([...steady(30), 20, ...steady(30)]), { 30: 10 });
  assertEquals(spikesOf([...steady(30), 19.9, ...steady(30)]), {});
  assertEquals(spikesOf([...steady(30), 30, 2, 50]), { 30: 15, 32: 25 });
});

Deno.test("add() tells of the first of several alone, and takes a new level for usual in time", () => {
  assertEquals(spikesOf([...steady(30), ...steady(100, 40), 500]), { 30: 20, 130: 12.5 });
});

Deno.test("add() waits until enough is known, and lets losses fall as they like", () => {
  assertEquals(spikesOf([...steady(9), 1000]), {});
  assertEquals(spikesOf(Array.from({ length: 200 }, (_, i) => 0.9 ** i)), {});
});

Deno.test("add() takes no notice of a loss that is small beside the first ones", () => {
  const learned = [...steady(10, 8), ...steady(60, 0.0625)];
  assertEquals(spikesOf([...learned, 3.9]), {});
  assertEquals(spikesOf([...learned, 4]), { 70: 64 });
});
