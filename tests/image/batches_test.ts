import { assert, assertAlmostEquals, assertEquals, assertNotEquals } from "@std/assert";
import type { LabelledImages } from "../../datasets/batches.ts";
import { minSnrWeights } from "../../diffusion/loss.ts";
import { noiseSchedule } from "../../diffusion/schedules.ts";
import { SELF_CONDITIONING } from "../../diffusion/self_conditioning.ts";
import { randomStream } from "../../nn/random.ts";
import {
  imageBatch,
  type ImageBatchOptions,
  trainingBatches,
  validationBatches,
} from "../../image/objective.ts";

const schedule = noiseSchedule({ numTrainTimesteps: 100, predictionType: "sample" });
const NULL_CLASS = 200;
const options: ImageBatchOptions = {
  schedule,
  nullClass: NULL_CLASS,
  images: { height: 2, width: 3, channels: 1 },
};

/** Images of a single brightness, which is their index and their label. */
function numbered(count: number): LabelledImages {
  return {
    images: Uint8Array.from({ length: count * 6 }, (_, i) => Math.floor(i / 6)),
    labels: Uint8Array.from({ length: count }, (_, i) => i),
  };
}

/** The indices of the images in a batch. */
function numbersOf({ batch }: ReturnType<typeof imageBatch>): number[] {
  const pixels = Array.from(batch.x0.data, (value) => Math.round((value + 1) * 127.5));
  return pixels.filter((_, i) => i % 6 === 0);
}

Deno.test("imageBatch() gives pixels in [-1, 1] and, without dropout, all labels", () => {
  const images = Uint8Array.of(0, 255, 51, 204, 102, 153, 1, 2, 3, 4, 5, 6);
  const { batch, timesteps } = imageBatch(
    { images, labels: Uint8Array.of(9, 3) },
    randomStream(0),
    options,
  );
  assertEquals(batch.x0.shape, [2, 2, 3, 1]);
  const expected = [-1, 1, -0.6, 0.6, -0.2, 0.2];
  expected.forEach((value, i) => assertAlmostEquals(batch.x0.data[i]!, value, 1e-6));
  const labels = batch.condition["classLabels"]!;
  assertEquals([labels.dtype, [...labels.data]], ["int32", [9, 3]]);
  assertEquals([...batch.timesteps.data], [...timesteps]);
  assertEquals(batch.noise.shape, batch.x0.shape);
});

Deno.test("imageBatch() drops the share classDropout of the labels, and its noise is standard normal", () => {
  const count = 4000;
  const data = { images: new Uint8Array(count * 6), labels: new Uint8Array(count) };
  const { batch, timesteps } = imageBatch(data, randomStream(1), { ...options, classDropout: 0.2 });
  const labels = [...batch.condition["classLabels"]!.data];
  const dropped = labels.filter((label) => label === NULL_CLASS).length;
  assertEquals(labels.filter((label) => label === 0).length, count - dropped);
  // Four standard deviations of a binomial distribution.
  assertAlmostEquals(dropped / count, 0.2, 4 * Math.sqrt(0.2 * 0.8 / count));
  const noise = [...batch.noise.data];
  const moment = (power: number) => noise.reduce((sum, z) => sum + z ** power, 0) / noise.length;
  assertAlmostEquals(moment(1), 0, 4 / Math.sqrt(noise.length));
  assertAlmostEquals(moment(2), 1, 4 * Math.sqrt(2 / noise.length));
  // Timesteps are uniform in [0, 100): the mean is 49.5, the variance (100^2 - 1) / 12.
  const mean = timesteps.reduce((sum, t) => sum + t, 0) / count;
  assertAlmostEquals(mean, 49.5, 4 * Math.sqrt((100 ** 2 - 1) / 12 / count));
  assertEquals(new Set(timesteps).size, 100);
  assert(timesteps.every((t) => t >= 0 && t < 100));
});

for (const [classDropout, expected] of [[0, 7], [1, NULL_CLASS]] as const) {
  Deno.test(`imageBatch() drops every label or none at a dropout of ${classDropout}`, () => {
    const data = { images: new Uint8Array(600), labels: new Uint8Array(100).fill(7) };
    const { batch } = imageBatch(data, randomStream(2), { ...options, classDropout });
    assertEquals(new Set(batch.condition["classLabels"]!.data), new Set([expected]));
  });
}

Deno.test("imageBatch() uses the weight of each timestep", () => {
  const weights = minSnrWeights(schedule, { gamma: 5 });
  const { batch, timesteps } = imageBatch(numbered(50), randomStream(3), { ...options, weights });
  const found = batch.factors.data.slice(4 * 50);
  timesteps.forEach((t, i) => {
    const alpha = schedule.alphasCumprod[t]!;
    assertAlmostEquals(found[i]!, Math.min(alpha / (1 - alpha), 5), 1e-6);
  });
});

Deno.test("imageBatch() makes batches for a flow with times instead of timesteps", () => {
  const flow = { density: "uniform" } as const;
  const { batch, timesteps } = imageBatch(numbered(200), randomStream(3), { ...options, flow });
  const rows = [0, 1, 2, 3].map((row) => batch.factors.data.slice(200 * row, 200 * (row + 1)));
  for (let i = 0; i < 200; i++) {
    const time = batch.timesteps.data[i]! / 100;
    assertEquals(timesteps[i], Math.min(99, Math.floor(time * 100)));
    // x_t = (1 - t) x0 + t noise, and the velocity is noise - x0.
    [1 - time, time, -1, 1].forEach((expected, row) =>
      assertAlmostEquals(rows[row]![i]!, expected, 1e-6)
    );
  }
  const mean = [...batch.timesteps.data].reduce((sum, t) => sum + t / 100, 0) / 200;
  assertAlmostEquals(mean, 0.5, 4 / Math.sqrt(12 * 200));
});

Deno.test("imageBatch() weights examples by the inverse probabilities of their timesteps", () => {
  const probabilities = new Float64Array(100).fill(0.5 / 99);
  probabilities[7] = 0.5;
  const { batch, timesteps, exampleWeights } = imageBatch(
    numbered(200),
    randomStream(3),
    { ...options, probabilities },
  );
  const sevens = timesteps.filter((t) => t === 7).length;
  assertAlmostEquals(sevens / 200, 0.5, 4 * Math.sqrt(0.25 / 200));
  timesteps.forEach((t, i) => {
    const weight = 1 / (100 * probabilities[t]!);
    assertAlmostEquals(exampleWeights![i]!, weight, 1e-12);
    assertAlmostEquals(batch.factors.data[4 * 200 + i]!, weight, 1e-5);
  });
});

Deno.test("imageBatch() makes antithetic timesteps with draw, and hybrid batches with boundWeight", () => {
  const mirrored = imageBatch(numbered(10), randomStream(3), { ...options, draw: "antithetic" });
  for (let i = 0; i < 5; i++) {
    assertEquals(mirrored.timesteps[i]! + mirrored.timesteps[i + 5]!, 99);
  }
  const { batch } = imageBatch(numbered(10), randomStream(3), { ...options, boundWeight: 0.1 });
  const { variance } = batch as typeof batch & { variance: { shape: number[] } };
  assertEquals(variance.shape, [5, 10]);
});

Deno.test("trainingBatches() uses self-conditioning for whole batches, with the given probability", () => {
  const batchAt = trainingBatches(numbered(10), randomStream(4), {
    ...options,
    batchSize: 2,
    selfConditioning: 0.5,
  });
  const shown = Array.from({ length: 200 }, (_, step) => batchAt(step).batch.condition)
    .filter((condition) => SELF_CONDITIONING in condition);
  assertAlmostEquals(shown.length / 200, 0.5, 4 * Math.sqrt(0.25 / 200));
  for (const condition of shown) {
    // A prediction of x0 is the output itself.
    assertEquals([...condition[SELF_CONDITIONING]!.data], [1, 1, 0, 0]);
  }
});

Deno.test("trainingBatches() is a function of the step only", () => {
  const batches = () =>
    trainingBatches(numbered(10), randomStream(4), { ...options, batchSize: 4 });
  const inOrder = batches();
  const expected = [0, 1, 2, 3, 4].map((step) => inOrder(step));
  const other = batches();
  for (const step of [4, 0, 3, 3, 1]) assertEquals(other(step), expected[step]);
  const draws = new Set(expected.map(({ batch }) => batch.noise.data[0]));
  assertEquals(draws.size, 5);
});

Deno.test("trainingBatches() yields every image once per epoch, with its label", () => {
  const batchAt = trainingBatches(numbered(12), randomStream(5), { ...options, batchSize: 4 });
  const epochs = [0, 1].map((epoch) =>
    [0, 1, 2].flatMap((i) => {
      const timed = batchAt(3 * epoch + i);
      const numbers = numbersOf(timed);
      assertEquals([...timed.batch.condition["classLabels"]!.data], numbers);
      return numbers;
    })
  );
  for (const epoch of epochs) {
    assertEquals(epoch.toSorted((a, b) => a - b), [...numbered(12).labels]);
  }
  assertNotEquals(epochs[0], epochs[1]);
});

Deno.test("trainingBatches() has independent streams for order, noise and dropout", () => {
  const at = (changes: object) =>
    trainingBatches(numbered(12), randomStream(6), { ...options, batchSize: 4, ...changes })(2);
  const dropped = at({ classDropout: 0.5 });
  const kept = at({ classDropout: 0 });
  assertEquals(dropped.batch.noise, kept.batch.noise);
  assertEquals(dropped.timesteps, kept.timesteps);
  assertEquals(numbersOf(dropped), numbersOf(kept));
});

Deno.test("validationBatches() takes the first images in order, with the same noise each time", () => {
  const random = () => randomStream(0).stream("validation");
  const batches = validationBatches(numbered(150), random(), { ...options, count: 130 });
  assertEquals(batches.map(({ timesteps }) => timesteps.length), [64, 64, 2]);
  assertEquals(batches.flatMap(numbersOf), Array.from({ length: 130 }, (_, i) => i));
  assertEquals(validationBatches(numbered(150), random(), { ...options, count: 130 }), batches);
  // A smaller count gives the first of the same batches, so that runs can be compared.
  const fewer = validationBatches(numbered(150), random(), { ...options, count: 64 });
  assertEquals(fewer, batches.slice(0, 1));
  const drawn = batches.map(({ batch }) => batch.noise.data[0]);
  assertEquals(new Set(drawn).size, 3);
});

Deno.test("validationBatches() takes all images when count is larger", () => {
  const batches = validationBatches(numbered(5), randomStream(0), { ...options, count: 1000 });
  assertEquals(batches.flatMap(numbersOf), [0, 1, 2, 3, 4]);
});
