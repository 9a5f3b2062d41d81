import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { decode } from "fast-png";
import { FASHION_MNIST_CLASSES, loadFashionMnist } from "../../../datasets/fashion_mnist.ts";
import { toPixels } from "../../../datasets/pixels.ts";
import { randomStream } from "../../../nn/random.ts";
import { encodePng } from "../../../report/png.ts";
import { imageRuns, runImage, runImageProcess, tiny, workplace } from "./program.ts";
import { plainSize, tilesOf } from "../../png_tiles.ts";

const ignore = !imageRuns;
const { folder, straightRun } = workplace(8);

/** Draws a picture with the tiny run. @returns The PNG file. */
async function draw(file: string, ...args: string[]): Promise<Uint8Array> {
  const out = await folder();
  const checkpoint = `--checkpoint=${await straightRun()}`;
  const ended = await runImage(...tiny("--sample-only", checkpoint, `--out=${out}`, ...args));
  assertEquals(ended.code, 0, ended.stderr);
  const names = await Array.fromAsync(Deno.readDir(out), ({ name }) => name);
  const animation = file === "trajectory.png" ? ["trajectory.gif"] : [];
  assertEquals(names.sort(), [...animation, file, "record.json", "report.html"].sort());
  return await Deno.readFile(`${out}/${file}`);
}

/** The width of a PNG. */
const widthOf = (png: Uint8Array) => decode(png).width;

/** The left or the right half of an image. */
const half = (image: Uint8Array, right: boolean) => image.filter((_, i) => i % 28 >= 14 === right);

/** The mean distance of two images' grey levels. */
const distance = (a: Uint8Array, b: Uint8Array) =>
  a.reduce((sum, value, i) => sum + Math.abs(value - b[i]!), 0) / a.length;

/** The classes of a test image, found by its pixels. */
async function classFinder(): Promise<(image: Uint8Array) => number | undefined> {
  const { test } = await loadFashionMnist({ sampleOnly: true });
  const classes = new Map<string, number>();
  test.labels.forEach((label, i) =>
    classes.set(test.images.subarray(784 * i, 784 * i + 784).join(), label)
  );
  return (image) => classes.get(image.join());
}

Deno.test({
  name: "image --inpaint half keeps the left halves of test images and regenerates the right ones",
  ignore,
  fn: async () => {
    const layout = { columns: 4, rows: 10 };
    const png = await draw("inpainting.png", "--inpaint=half", "--samples=20");
    assertEquals(widthOf(png), plainSize(layout)[0]);
    const tiles = tilesOf(png, layout);
    const classOf = await classFinder();
    for (let row = 0; row < 10; row++) {
      for (const column of [0, 2]) {
        const [old, redrawn] = [tiles.at(row, column), tiles.at(row, column + 1)];
        assertEquals(classOf(old), row, "a test image of the row's class");
        assertEquals(half(redrawn, false), half(old, false));
        assertNotEquals(half(redrawn, true), half(old, true));
      }
    }
  },
});

Deno.test({
  name: "image --inpaint FILE regenerates the white pixels of the mask, also with --from-step",
  ignore,
  fn: async () => {
    const mask = new Uint8Array(784).map((_, i) => i < 10 * 28 ? 255 : 0); // the ten upper rows
    const out = await folder();
    const path = `${out}/mask.png`;
    await Deno.writeFile(path, encodePng({ width: 28, height: 28, channels: 1, data: mask }));
    const layout = { columns: 2, rows: 3 };
    for (const [i, from] of [[], ["--from-step=2"]].entries()) {
      const ended = await runImage(...tiny(
        "--sample-only",
        `--checkpoint=${await straightRun()}`,
        `--out=${out}/${i}`,
        `--inpaint=${path}`,
        "--class=bag",
        "--samples=3",
        ...from,
      ));
      assertEquals(ended.code, 0, ended.stderr);
      const tiles = tilesOf(await Deno.readFile(`${out}/${i}/inpainting.png`), layout);
      for (let row = 0; row < 3; row++) {
        const [old, redrawn] = [tiles.at(row, 0), tiles.at(row, 1)];
        assertEquals(redrawn.subarray(10 * 28), old.subarray(10 * 28));
        assertNotEquals(redrawn.subarray(0, 10 * 28), old.subarray(0, 10 * 28));
      }
    }
  },
});

Deno.test({
  name: "image --from-step starts from test images, which later steps change less",
  ignore,
  fn: async () => {
    const changes: number[] = [];
    for (const step of [0, 8, 9]) {
      const png = await draw(
        "image_to_image.png",
        `--from-step=${step}`,
        "--sample-steps=10",
        "--samples=10",
        "--eta=0",
      );
      const tiles = tilesOf(png, { columns: 2, rows: 10 });
      const rows = Array.from({ length: 10 }, (_, row) => row);
      changes.push(
        rows.reduce((sum, row) => sum + distance(tiles.at(row, 0), tiles.at(row, 1)), 0),
      );
    }
    assert(changes[0]! > changes[1]! && changes[1]! > changes[2]!, changes.join());
  },
});

Deno.test({
  name: "image --trajectory shows the noise first and the samples of the grid last",
  ignore,
  fn: async () => {
    const layout = { columns: 4, rows: 10 }; // the start and three steps
    const tiles = tilesOf(await draw("trajectory.png", "--trajectory"), layout);
    const grid = tilesOf(await draw("grid.png"), { columns: 1, rows: 10 });
    for (let row = 0; row < 10; row++) {
      const noise = randomStream(0).stream("samples").at(row).at(0).normal(784);
      assertEquals(tiles.at(row, 0), toPixels(noise), "noise");
      assertEquals(tiles.at(row, 3), grid.at(row, 0), FASHION_MNIST_CLASSES[row]!);
      assertNotEquals(tiles.at(row, 1), tiles.at(row, 2));
    }
  },
});

Deno.test({
  name: "image --interpolate draws intermediate images that differ less than the ends",
  ignore,
  fn: async () => {
    const layout = { columns: 10, rows: 2 };
    for (const classes of ["Coat,Coat", "Sneaker,Bag"]) {
      for (const sampler of [[], ["--sampler=ddpm"]]) { // ddpm adds noise: the same to all of a row
        const args = [`--interpolate=${classes}`, "--samples=20", ...sampler];
        const png = await draw("interpolation.png", ...args);
        assertEquals(widthOf(png), plainSize(layout)[0]);
        const tiles = tilesOf(png, layout);
        for (const row of [0, 1]) {
          const whole = distance(tiles.at(row, 0), tiles.at(row, 9));
          for (let i = 1; i < 10; i++) {
            assert(distance(tiles.at(row, i - 1), tiles.at(row, i)) < whole / 2, `${classes} ${i}`);
          }
        }
        assertNotEquals(tiles.at(0, 0), tiles.at(1, 0));
      }
    }
  },
});

Deno.test({
  name: "image --interpolate --encode reproduces test images of the two classes at the ends",
  ignore,
  fn: async () => {
    // This needs a trained model: the released one draws a row in a second or two.
    const out = await folder();
    const ended = await runImage(
      "--preset=smoke",
      "--threads=1",
      "--sample-only",
      `--out=${out}`,
      "--samples=10",
      "--interpolate=ankle boot,Dress",
      "--encode",
      "--sample-steps=20",
    );
    assertEquals(ended.code, 0, ended.stderr);
    const layout = { columns: 12, rows: 1 };
    const png = await Deno.readFile(`${out}/interpolation.png`);
    assertEquals(widthOf(png), plainSize(layout)[0]);
    const tiles = tilesOf(png, layout);
    const classOf = await classFinder();
    assertEquals([0, 11].map((i) => classOf(tiles.at(0, i))), [9, 3]);
    const apart = distance(tiles.at(0, 0), tiles.at(0, 11));
    for (const [original, decoded] of [[0, 1], [11, 10]] as const) {
      const back = distance(tiles.at(0, original), tiles.at(0, decoded));
      assert(back < apart / 4, `${back} of ${apart}`);
    }
  },
});

Deno.test({
  name: "image --sample-only draws several pictures at once, and the same ones again",
  ignore,
  fn: async () => {
    const run = async (start: typeof runImage) => {
      const out = await folder();
      const ended = await start(...tiny(
        "--sample-only",
        `--checkpoint=${await straightRun()}`,
        `--out=${out}`,
        "--trajectory",
        "--inpaint=half",
        "--interpolate=Bag,Coat",
      ));
      assertEquals(ended.code, 0, ended.stderr);
      const names = ["inpainting.png", "interpolation.png", "trajectory.gif", "trajectory.png"];
      const found = await Array.fromAsync(Deno.readDir(out), ({ name }) => name);
      assertEquals(found.sort(), [...names, "record.json", "report.html"].sort());
      return await Promise.all(names.map((name) => Deno.readFile(`${out}/${name}`)));
    };
    assertEquals(await run(runImage), await run(runImageProcess));
  },
});
