import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { randomStream } from "../../nn/random.ts";
import {
  evaluationTextBatches,
  exampleLength,
  type TextBatch,
  type TextBatchOptions,
  trainingTextBatches,
} from "../../vae/batches.ts";
import { bucketLengths } from "../../vae/buckets.ts";
import type { TextExample } from "../../vae/tokenizer/texts.ts";

const [PAD, CLS, SEP, END] = [0, 1, 2, 3];

/** Examples of the given lengths; the tokens of example i are 10 + i. */
const examplesOf = (lengths: readonly number[]): TextExample[] =>
  lengths.map((length, i) => {
    const body = Array.from({ length }, () => 10 + i);
    return { encoder: Int32Array.of(CLS, ...body, SEP), decoder: Int32Array.from(body) };
  });

const options: TextBatchOptions = { batchSize: 4, buckets: [8, 16, 32], padId: PAD, endId: END };
const random = randomStream(5);

/** 67 lengths from 1 to 30. */
const LENGTHS = Array.from({ length: 67 }, (_, i) => 1 + (i * 17) % 30);
const examples = examplesOf(LENGTHS);

const epoch = (number: number, seed = 5): TextBatch[] => {
  const batches = trainingTextBatches(examples, randomStream(seed), options);
  const { stepsPerEpoch } = batches;
  return Array.from({ length: stepsPerEpoch }, (_, i) => batches.at(number * stepsPerEpoch + i));
};
const rowsOf = (batches: TextBatch[]) => batches.map(({ rows }) => rows.join(" ")).join("; ");

Deno.test("trainingTextBatches() pads and shifts a text as BERT and GPT-2 read it", () => {
  const one = examplesOf([3]);
  const { at, stepsPerEpoch } = trainingTextBatches(one, random, { ...options, batchSize: 1 });
  assertEquals(stepsPerEpoch, 1);
  const { rows, count, arrays } = at(0);
  assertEquals([rows, count], [[0], 1]);
  const data = (name: keyof typeof arrays) => {
    assertEquals([arrays[name].dtype, arrays[name].shape], ["int32", [1, 8]]);
    return [...arrays[name].data];
  };
  assertEquals(data("inputIds"), [1, 10, 10, 10, 2, 0, 0, 0]);
  assertEquals(data("attentionMask"), [1, 1, 1, 1, 1, 0, 0, 0]);
  assertEquals(data("decoderInputIds"), [3, 10, 10, 10, 3, 3, 3, 3]);
  assertEquals(data("labels"), [10, 10, 10, 3, -100, -100, -100, -100]);
});

Deno.test("trainingTextBatches() uses each text once per epoch, except to fill the last batch", () => {
  for (const number of [0, 1, 5]) {
    const batches = epoch(number);
    assertEquals(batches.length, Math.ceil(67 / 4));
    const counted = batches.flatMap(({ rows, count }) => rows.slice(0, count));
    assertEquals(counted.sort((a, b) => a - b), Array.from({ length: 67 }, (_, i) => i));
    assertEquals(batches.filter(({ count }) => count < 4).map(({ count }) => count), [3]);
    for (const { rows } of batches) assertEquals(new Set(rows).size, 4);
  }
});

Deno.test("trainingTextBatches() has only the buckets' shapes, and little padding", () => {
  const batches = epoch(0);
  const shapes = new Set(batches.map(({ arrays }) => arrays.inputIds.shape.join()));
  assertEquals([...shapes].sort(), ["4,16", "4,32", "4,8"]);
  // Only texts that did not fill a batch are in a larger bucket than their own.
  let larger = 0;
  for (const { rows, arrays } of batches) {
    const length = arrays.inputIds.shape[1]!;
    for (const row of rows) {
      const own = options.buckets.find((bucket) => bucket >= exampleLength(examples[row]!))!;
      assert(own <= length);
      if (own < length) larger++;
    }
  }
  assert(larger <= 2 * (options.batchSize - 1) + options.batchSize, `${larger}`);
});

Deno.test("trainingTextBatches() gives the same batch when a run resumes at any step", () => {
  const loop = [...epoch(0), ...epoch(1), ...epoch(2)];
  const resumed = trainingTextBatches(examples, randomStream(5), options);
  for (const step of [50, 0, 16, 17, 33, 34, 3]) assertEquals(resumed.at(step), loop[step]);
});

Deno.test("trainingTextBatches() has a different order in each epoch and for each seed", () => {
  const orders = [epoch(0), epoch(1), epoch(2), epoch(0, 6)].map(rowsOf);
  assertEquals(new Set(orders).size, 4);
  assertEquals(rowsOf(epoch(0)), orders[0]);
});

Deno.test("trainingTextBatches() mixes the buckets when an epoch is shuffled", () => {
  const lengths = epoch(0).map(({ arrays }) => arrays.inputIds.shape[1]!);
  assertNotEquals(lengths, lengths.toSorted((a, b) => a - b));
});

Deno.test("trainingTextBatches() corrupts only the encoder's input, differently in each step", () => {
  const corrupt = (ids: Int32Array, stream: typeof random) =>
    Int32Array.from(ids, (id) => id < 10 ? id : 1000 + Math.floor(stream.next() * 1000));
  const clean = trainingTextBatches(examples, randomStream(5), options);
  const dirty = trainingTextBatches(examples, randomStream(5), { ...options, corrupt });
  const seen = new Set<number>();
  for (let step = 0; step < 40; step++) {
    const [a, b] = [clean.at(step), dirty.at(step)];
    assertEquals(b.rows, a.rows);
    for (const name of ["attentionMask", "decoderInputIds", "labels"] as const) {
      assertEquals(b.arrays[name], a.arrays[name]);
    }
    a.arrays.inputIds.data.forEach((id, i) => {
      const noised = b.arrays.inputIds.data[i]!;
      if (id < 10) assertEquals(noised, id);
      else assert(noised >= 1000);
    });
    seen.add(b.arrays.inputIds.data[1]!);
    assertEquals(dirty.at(step), b);
  }
  assert(seen.size > 30);
});

Deno.test("trainingTextBatches() fills a batch when there are fewer texts than it holds", () => {
  const few = trainingTextBatches(examplesOf([2, 9, 3]), random, { ...options, batchSize: 8 });
  const { rows, count, arrays } = few.at(0);
  assertEquals([few.stepsPerEpoch, count, rows.length], [1, 3, 8]);
  assertEquals(new Set(rows), new Set([0, 1, 2]));
  assertEquals(arrays.labels.shape, [8, 16]);
});

Deno.test("evaluationTextBatches() counts each text once, and ignores rows that fill a batch", () => {
  const batches = evaluationTextBatches(examples, options);
  const labels = batches.flatMap(({ arrays }) => [...arrays.labels.data]);
  // The labels of each text are its tokens and the end.
  const expected = LENGTHS.reduce((sum, length) => sum + length + 1, 0);
  assertEquals(labels.filter((label) => label !== -100).length, expected);
  const counted = batches.flatMap(({ rows, count }) => rows.slice(0, count));
  assertEquals(counted.sort((a, b) => a - b), Array.from({ length: 67 }, (_, i) => i));
});

Deno.test("evaluationTextBatches() corrupts a text alike when the batch size differs", () => {
  const apply = (ids: Int32Array, stream: typeof random) => {
    const substitute = Math.floor(stream.next() * 1e6);
    return Int32Array.from(ids, (id) => id < 10 ? id : substitute);
  };
  const substitutes = (batchSize: number) => {
    const corrupt = { apply, random };
    const byRow = new Map<number, number>();
    for (const batch of evaluationTextBatches(examples, { ...options, batchSize, corrupt })) {
      const [, length] = batch.arrays.inputIds.shape;
      batch.rows.forEach((row, i) => byRow.set(row, batch.arrays.inputIds.data[i * length! + 1]!));
    }
    return [...byRow].sort(([a], [b]) => a - b);
  };
  assertEquals(substitutes(4), substitutes(7));
});

Deno.test("trainingTextBatches() throws when a text fits no bucket or an option is invalid", () => {
  const make = (lengths: number[], more: Partial<TextBatchOptions> = {}) => () =>
    trainingTextBatches(examplesOf(lengths), random, { ...options, ...more });
  make([30])();
  assertThrows(
    make([4, 31]),
    RangeError,
    "example 1 needs 33 positions: the largest bucket has 32",
  );
  assertThrows(make([]), RangeError, "no examples");
  assertThrows(make([1], { batchSize: 0 }), RangeError, "batchSize");
  for (const buckets of [[], [8, 8], [16, 8], [1, 2, 3, 4, 5, 6, 7]]) {
    assertThrows(make([1], { buckets }), RangeError, "buckets");
  }
  const { at } = trainingTextBatches(examples, random, options);
  for (const step of [-1, 0.5, NaN]) assertThrows(() => at(step), RangeError, "step");
});

/** The number of tokens, padding included, for a choice of buckets. */
const tokens = (lengths: readonly number[], buckets: readonly number[]) =>
  lengths.reduce((sum, length) => sum + buckets.find((bucket) => bucket >= length)!, 0);

Deno.test("bucketLengths() leaves the least padding of all choices", () => {
  const numbers = randomStream(1).integers(300, 0, 1000);
  for (let run = 0; run < 6; run++) {
    const lengths = [...numbers.subarray(run * 50, run * 50 + 50)]
      .map((n) => 1 + Math.floor((n / 1000) ** 2 * 60));
    const sizes = [8, 16, 24, 32, 40, 48, 56, 64];
    const top = sizes.find((size) => size >= Math.max(...lengths))!;
    for (const maxBuckets of [1, 2, 3, 6]) {
      const found = bucketLengths(lengths, { maxBuckets });
      assert(found.length <= maxBuckets);
      // Every subset of the sizes below the largest, by brute force.
      const smaller = sizes.filter((size) => size < top);
      let least = Infinity;
      for (let bits = 0; bits < 2 ** smaller.length; bits++) {
        const choice = [...smaller.filter((_, i) => bits >> i & 1), top];
        if (choice.length <= maxBuckets) least = Math.min(least, tokens(lengths, choice));
      }
      assertEquals(tokens(lengths, found), least);
    }
  }
});

Deno.test("bucketLengths() respects the minimum, the multiple and the number of buckets", () => {
  assertEquals(bucketLengths([1, 12, 13], { minimum: 12 }), [12, 16]);
  assertEquals(bucketLengths([5, 20], { multiple: 5 }), [5, 20]);
  assertEquals(bucketLengths([7]), [8]);
  assertEquals(bucketLengths(LENGTHS, { multiple: 1 }).length, 6);
  assertThrows(() => bucketLengths([]), RangeError, "no texts");
  assertThrows(() => bucketLengths([1], { maxBuckets: 7 }), RangeError, "maxBuckets");
  assertThrows(() => bucketLengths([1], { multiple: 0 }), RangeError, "multiple");
});
