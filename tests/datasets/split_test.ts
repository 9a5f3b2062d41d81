import { assertEquals, assertThrows } from "@std/assert";
import { balancedSplit } from "../../datasets/split.ts";
import { randomStream } from "../../nn/random.ts";

const LABELS = Uint8Array.from({ length: 90 }, (_, i) => (i * i) % 3 === 0 ? 0 : 1 + (i % 2));

Deno.test("balancedSplit() holds out the same number of each class", () => {
  const { kept, heldOut } = balancedSplit(LABELS, {
    classes: 3,
    heldOut: 12,
    random: randomStream(7),
  });
  assertEquals([0, 1, 2].map((c) => heldOut.filter((i) => LABELS[i] === c).length), [4, 4, 4]);
  assertEquals([...kept, ...heldOut].sort((a, b) => a - b), Array.from(LABELS.keys()));
  assertEquals([...kept], [...kept].sort((a, b) => a - b));
});

Deno.test("balancedSplit() depends only on its stream when repeated", () => {
  const split = (seed: number) =>
    balancedSplit(LABELS, { classes: 3, heldOut: 30, random: randomStream(seed) }).heldOut.join();
  assertEquals(split(1), split(1));
  assertEquals(split(1) === split(2), false);
});

Deno.test("balancedSplit() throws when the numbers are inconsistent", () => {
  const random = randomStream(0);
  const split = (classes: number, heldOut: number) => () =>
    balancedSplit(LABELS, { classes, heldOut, random });
  assertThrows(split(3, 10), RangeError, "10 examples to hold out are not a multiple of 3 classes");
  assertThrows(split(3, -3), RangeError, "not a multiple");
  assertThrows(split(3, 93), RangeError, "class 0 has 30 examples, but 31 must be held out");
  assertThrows(split(2, 2), RangeError, "there are 2 classes");
});
