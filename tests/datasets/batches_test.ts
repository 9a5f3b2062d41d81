import { assertEquals, assertThrows } from "@std/assert";
import { batcher, gather, gatherImages } from "../../datasets/batches.ts";
import { randomStream } from "../../nn/random.ts";

const random = randomStream(3).stream("data");
const sorted = (values: Iterable<number>) => [...values].sort((a, b) => a - b);

/** The first `count` examples that steps of some batch size take. */
function sequence(size: number, batchSize: number, count: number): number[] {
  const batch = batcher({ size, batchSize, random });
  const steps = Math.ceil(count / batchSize);
  return Array.from({ length: steps }, (_, step) => [...batch(step)]).flat().slice(0, count);
}

Deno.test("batcher() uses each example once per epoch when batches do not divide it", () => {
  for (const [size, batchSize] of [[10, 3], [7, 7], [5, 12], [1, 4], [64, 1]] as const) {
    const taken = sequence(size, batchSize, 4 * size);
    for (let epoch = 0; epoch < 4; epoch++) {
      const seen = sorted(taken.slice(epoch * size, (epoch + 1) * size));
      assertEquals(seen, Array.from({ length: size }, (_, i) => i), `${size} by ${batchSize}`);
    }
  }
});

Deno.test("batcher() shuffles every epoch differently", () => {
  const taken = sequence(100, 10, 300);
  const epochs = [0, 1, 2].map((epoch) => taken.slice(epoch * 100, (epoch + 1) * 100).join());
  assertEquals(new Set([...epochs, Array.from({ length: 100 }, (_, i) => i).join()]).size, 4);
});

Deno.test("batcher() gives the same sequence when the batch size differs", () => {
  assertEquals(sequence(30, 7, 90), sequence(30, 4, 90));
});

Deno.test("batcher() gives the same batch when a run resumes at any step", () => {
  const batch = batcher({ size: 23, batchSize: 5, random });
  const loop = Array.from({ length: 20 }, (_, step) => batch(step));
  for (const step of [19, 0, 4, 5, 13]) {
    assertEquals(batcher({ size: 23, batchSize: 5, random })(step), loop[step]);
    assertEquals(batch(step), loop[step]); // in any order of the steps, too
  }
});

Deno.test("batcher() gives another order when the seed differs", () => {
  const order = (seed: number) =>
    batcher({ size: 50, batchSize: 50, random: randomStream(seed) })(0).join();
  assertEquals(order(1) === order(2), false);
});

Deno.test("batcher() throws when a size or a step is out of range", () => {
  const call = ({ step = 0, ...changes }: Record<string, number>) => () =>
    batcher({ size: 4, batchSize: 2, random, ...changes })(step);
  assertThrows(call({ size: 0 }), RangeError, "size must be an integer of at least 1, not 0");
  assertThrows(call({ batchSize: 1.5 }), RangeError, "batchSize");
  assertThrows(call({ step: -1 }), RangeError, "step must be an integer of at least 0, not -1");
  assertThrows(call({ step: 2 ** 53 - 1, batchSize: 8 }), RangeError, "step * batchSize");
});

Deno.test("gather() picks examples in the indices' order when they repeat", () => {
  const values = Uint8Array.of(0, 1, 10, 11, 20, 21);
  assertEquals([...gather(values, Uint32Array.of(2, 0, 2), 2)], [20, 21, 0, 1, 20, 21]);
  assertThrows(() => gather(values, Uint32Array.of(0, 3), 2), RangeError, "index 3 at 1");
});

Deno.test("gatherImages() keeps images and labels together when picking", () => {
  const images = Uint8Array.from({ length: 3 * 4 }, (_, i) => i);
  const picked = gatherImages({ images, labels: Uint8Array.of(7, 8, 9) }, Uint32Array.of(2, 1));
  assertEquals([...picked.images], [8, 9, 10, 11, 4, 5, 6, 7]);
  assertEquals([...picked.labels], [9, 8]);
});
