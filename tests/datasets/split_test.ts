import { assertEquals, assertThrows } from "@std/assert";
import { UserError } from "../../base/errors.ts";
import { balancedSplit, splitByContent, splitByHash } from "../../datasets/split.ts";
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

Deno.test("splitByHash() has copies in one part, whatever the order, and larger parts contain smaller ones", () => {
  const texts = Array.from({ length: 60 }, (_, i) => `text ${i % 40}`);
  const split = splitByHash(texts, (text) => text, { validation: 5, test: 7 });
  const parts = [split.train, split.validation, split.test].map((part) => new Set(part));
  assertEquals(parts.map(({ size }) => size), [28, 5, 7]);
  assertEquals(split.train.length + split.validation.length + split.test.length, 60);
  assertEquals(new Set(parts.flatMap((part) => [...part])).size, 40, "a text is in two parts");

  const turned = splitByHash(texts.toReversed(), (text) => text, { validation: 5, test: 7 });
  assertEquals(new Set(turned.test), parts[2]);
  const larger = splitByHash(texts, (text) => text, { validation: 9, test: 7 });
  assertEquals(parts[1]!.difference(new Set(larger.validation)).size, 0);
});

Deno.test("splitByHash() orders by SHA-256 of the key", () => {
  // echo -n a | sha256sum: ca978112..., b: 3e23e816..., c: 2e7d2c03..., d: 18ac3e73...
  assertEquals(splitByHash([..."abcd"], (key) => key, { validation: 1, test: 2 }), {
    train: ["a"],
    validation: ["d"],
    test: ["b", "c"],
  });
});

Deno.test("splitByHash() refuses a split with an empty part", () => {
  const refused = (validation: number, test: number) =>
    assertThrows(
      () => splitByHash(["a", "b", "b"], (key) => key, { validation, test }),
      RangeError,
      `${validation} + ${test} of 2 different examples to hold out: at least 1 each, and at most 1 in all`,
    );
  refused(1, 1);
  refused(0, 1);
  refused(NaN, 1);
});

Deno.test("splitByContent() keeps copies together, and an image of each class to train on", () => {
  // Images of one pixel: 200,000 copies of 7 in class 0, ten others in class 1.
  const copies = 200_000;
  const images = new Uint8Array(copies + 10).fill(7).map((pixel, i) =>
    i < copies ? pixel : 100 + i - copies
  );
  const labels = new Uint8Array(copies + 10).fill(1, copies);
  const { kept, out } = splitByContent({ images, labels }, 1, 9);
  assertEquals([kept.length, out.length], [copies + 1, 9]);
  assertEquals(out.every((i) => i >= copies), true);
  assertThrows(
    () => splitByContent({ images: images.slice(0, 5), labels: labels.slice(0, 5) }, 1, 1),
    UserError,
    "no image can be held out",
  );
});
