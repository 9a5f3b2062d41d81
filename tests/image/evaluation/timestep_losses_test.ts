import { assertAlmostEquals, assertEquals } from "@std/assert";
import { toModelRange } from "../../../datasets/pixels.ts";
import { bitsPerDimension } from "../../../diffusion/bits_per_dimension.ts";
import type { Denoiser } from "../../../diffusion/samplers/types.ts";
import { noiseSchedule } from "../../../diffusion/schedules.ts";
import { noiseOf, randomStream } from "../../../nn/random.ts";
import {
  measureTimesteps,
  TIMESTEP_BATCH,
  timestepGroups,
} from "../../../image/evaluation/timestep_losses.ts";
import { assertAllClose } from "../../assert_close.ts";

const SIZE = 4;
const random = randomStream(1);
const schedule = noiseSchedule({ numTrainTimesteps: 12, predictionType: "sample" });

/** Images of 4 pixels. */
function imagesOf(count: number, pixel: (image: number, i: number) => number) {
  return {
    images: Uint8Array.from(
      { length: count * SIZE },
      (_, at) => pixel(Math.floor(at / SIZE), at % SIZE),
    ),
    labels: new Uint8Array(count),
  };
}

/** A model with a constant prediction. */
const constant = (value: number): Denoiser => (x) => Promise.resolve(x.map(() => value));

Deno.test("timestepGroups() gives timestep 0 to all groups and every other one to one, in groups of one size", () => {
  for (const [count, T] of [[1000, 100], [60, 7], [3, 20], [10_000, 1000], [300, 4]] as const) {
    const groups = timestepGroups(count, T);
    const visits = groups.flatMap(({ timesteps }) => timesteps);
    const others = visits.filter((t) => t > 0).sort((a, b) => a - b);
    assertEquals(others, Array.from({ length: T - 1 }, (_, i) => i + 1), `${count} ${T}`);
    assertEquals(groups.every(({ timesteps }) => timesteps[0] === 0), true);
    const seen = groups.flatMap(({ indices }) => [...indices]);
    assertEquals(new Set(seen).size, groups.length * Math.min(count, TIMESTEP_BATCH));
    assertEquals(seen.every((index) => index < count), true);
  }
});

Deno.test("measureTimesteps() equals bitsPerDimension() over all timesteps for a few images", async () => {
  const images = imagesOf(5, (image, i) => 40 * image + 13 * i);
  const found = await measureTimesteps(() => constant(0.2), { images, schedule, random });
  const expected = await bitsPerDimension(constant(0.2), toModelRange(images.images), schedule, {
    batchSize: 5,
    noise: (_length, timestep) => noiseOf(random, [0, 1, 2, 3, 4], SIZE)(timestep),
  });
  assertAlmostEquals(found.bitsPerDimension, expected.total, 1e-9);
  assertAlmostEquals(found.prior, expected.prior, 1e-12);
  assertAllClose(found.bits, expected.bits.toReversed(), { atol: 1e-12 }); // it goes from T down
  assertEquals([found.images, found.imagesAtATimestep], [5, 5]);
});

Deno.test("measureTimesteps() gives the same bound for equal images in any number of groups", async () => {
  // Both means have the same share of x_t, so the bound of a constant prediction is independent of the noise.
  const measure = (count: number) =>
    measureTimesteps(() => constant(0.2), {
      images: imagesOf(count, (_, i) => 50 * i),
      schedule,
      random,
    });
  const [one, many] = [await measure(10), await measure(10 * TIMESTEP_BATCH)];
  assertEquals(many.images, 10 * TIMESTEP_BATCH);
  assertAlmostEquals(many.bitsPerDimension, one.bitsPerDimension, 1e-9);
  assertAllClose(many.bits, one.bits, { atol: 1e-9 });
});

Deno.test("measureTimesteps() measures the mean squared error of the prediction", async () => {
  const images = imagesOf(7, () => 255); // 1 in the model's range
  const found = await measureTimesteps(() => constant(0.5), { images, schedule, random });
  assertAllClose(found.losses, new Float64Array(12).fill(0.25), { atol: 1e-7 });
  assertAlmostEquals(found.loss, 0.25, 1e-7);

  const noisy = noiseSchedule({ numTrainTimesteps: 12, predictionType: "epsilon" });
  const epsilon = await measureTimesteps(() => constant(0), { images, schedule: noisy, random });
  const noise = (t: number) => noiseOf(random, [0, 1, 2, 3, 4, 5, 6], SIZE)(t);
  const meanSquare = (t: number) => noise(t).reduce((sum, z) => sum + z * z, 0) / (7 * SIZE);
  assertAlmostEquals(epsilon.losses[3]!, meanSquare(3), 1e-5);
});

Deno.test("measureTimesteps() passes the classes of the images and reports its progress", async () => {
  const images = { ...imagesOf(4, () => 9), labels: Uint8Array.of(3, 1, 2, 0) };
  const [asked, told]: [number[][], string[]] = [[], []];
  await measureTimesteps((labels) => {
    asked.push([...labels]);
    return constant(0);
  }, { images, schedule, random, onProgress: (done, total) => told.push(`${done}/${total}`) });
  assertEquals(asked, Array.from({ length: 12 }, () => [3, 1, 2, 0]));
  assertEquals(told, Array.from({ length: 12 }, (_, i) => `${i + 1}/12`));
});
