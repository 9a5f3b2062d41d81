import { assert, assertEquals } from "@std/assert";
import { openDevice } from "../../../engine/device.ts";
import { FASHION } from "../../../image/data.ts";
import { nearestImages, nearestTraining } from "../../../image/evaluation/neighbour_picture.ts";
import { randomStream } from "../../../nn/random.ts";
import { assertAllClose } from "../../assert_close.ts";
import { encodePng } from "../../../report/png.ts";
import { tilesOf } from "../../png_tiles.ts";

Deno.test("nearestImages() finds the nearest images in all parts", async () => {
  const candidates = new Uint8Array(2 * 9000).fill(250);
  candidates.set([10, 20], 2 * 10);
  candidates.set([10, 24], 2 * 4500);
  candidates.set([13, 20], 2 * 8999);
  const [found] = await nearestImages(Uint8Array.of(10, 20), candidates, { size: 2, k: 3 });
  assertEquals([...found!.indices], [10, 8999, 4500]);
  // The root of the mean over two pixels.
  assertAllClose(found!.distances, [0, 3 / Math.SQRT2, 4 / Math.SQRT2], { rtol: 1e-12 });
});

Deno.test("nearestTraining() shows a copied training image beside the sample with the distance 0", async () => {
  const random = randomStream(2);
  const pixels = (count: number) => Uint8Array.from(random.integers(count * 784, 0, 256));
  const train = { images: pixels(40), labels: new Uint8Array(40) };
  const test = { images: pixels(20), labels: new Uint8Array(20) };
  const samples = new Uint8Array(10 * 784);
  for (let i = 0; i < 10; i++) {
    samples.set(train.images.subarray(784 * 3 * i, 784 * (3 * i + 1)), 784 * i);
  }
  const set = { ...FASHION, train, test };
  const found = await nearestTraining(await openDevice("cpu"), samples, set, true);
  assertEquals(found.measured, 10);
  assertEquals(found.samples, 0);
  // Two random images differ by 255 / sqrt(6) = 104 on average.
  assert(found.testImages > 90 && found.testImages < 110, String(found.testImages));
  const { data, width, height, channels } = found.picture;
  assertEquals(data.length, width * height * channels);
  const tiles = tilesOf(encodePng(found.picture), { columns: 7, rows: 10 }, 26);
  for (let row = 0; row < 10; row++) {
    const sample = samples.subarray(784 * row, 784 * (row + 1));
    assertEquals(tiles.at(row, 0), sample);
    assertEquals(tiles.at(row, 1), sample);
  }
});
