import { assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { encode } from "fast-png";
import { UserError } from "../../../base/errors.ts";
import { FASHION } from "../../../image/data.ts";
import { readMask } from "../../../image/sampling/inpainting.ts";
import { pickImages } from "../../../image/sampling/pictures.ts";
import { randomStream } from "../../../nn/random.ts";
import { permitted } from "../../permissions.ts";

const { classNames } = FASHION;

const ignore = !permitted({ name: "read" }, { name: "write" });

/** Reads a mask from a PNG file with this content. */
async function maskOf(bytes: Uint8Array): Promise<Float32Array> {
  const path = await Deno.makeTempFile({ suffix: ".png" });
  try {
    await Deno.writeFile(path, bytes);
    return await readMask(path, FASHION);
  } finally {
    await Deno.remove(path);
  }
}

const picture = (data: Uint8Array | Uint16Array, channels: number, depth: 8 | 16 = 8) =>
  encode({ width: 28, height: 28, data, channels, depth });

Deno.test("readMask() keeps the left half for half", async () => {
  const mask = await readMask("half", FASHION);
  assertEquals(mask.length, 784);
  mask.forEach((value, i) => assertEquals(value, i % 28 < 14 ? 1 : 0));
});

Deno.test({
  name: "readMask() regenerates the white pixels of a PNG file of any format",
  ignore,
  fn: async () => {
    const levels = [0, 51, 255]; // black, a fifth, white
    const at = (i: number) => levels[i % 3]!;
    for (const channels of [1, 2, 3, 4]) {
      // Opacity, the last of an even number of channels, is ignored.
      const data = Uint8Array.from({ length: 784 * channels }, (_, i) => {
        const opacity = channels % 2 === 0 && i % channels === channels - 1;
        return opacity ? 77 : at(Math.floor(i / channels));
      });
      const mask = await maskOf(picture(data, channels));
      mask.forEach((value, i) => assertAlmostEquals(value, 1 - at(i) / 255, 1e-6));
    }
    const deep = Uint16Array.from({ length: 784 }, (_, i) => at(i) * 257);
    const mask = await maskOf(picture(deep, 1, 16));
    mask.forEach((value, i) => assertAlmostEquals(value, 1 - at(i) / 255, 1e-6));
  },
});

Deno.test({
  name:
    "readMask() takes the opacity when the picture has one colour: white drawn on nothing, or holes",
  ignore,
  fn: async () => {
    const opacity = (i: number) => [0, 51, 255][i % 3]!;
    const sheet = (color: number) =>
      Uint8Array.from(
        { length: 784 * 4 },
        (_, i) => i % 4 === 3 ? opacity(Math.floor(i / 4)) : color,
      );
    const drawn = await maskOf(picture(sheet(255), 4));
    drawn.forEach((value, i) => assertAlmostEquals(value, 1 - opacity(i) / 255, 1e-6));
    const holes = await maskOf(picture(sheet(0), 4));
    holes.forEach((value, i) => assertAlmostEquals(value, opacity(i) / 255, 1e-6));
  },
});

Deno.test({
  name: "readMask() refuses files that are not masks",
  ignore,
  fn: async () => {
    const refuses = (bytes: Uint8Array, message: string) =>
      assertRejects(() => maskOf(bytes), UserError, message);
    await refuses(new Uint8Array(0), "is not a PNG file");
    await refuses(new TextEncoder().encode("P5 28 28 255"), "is not a PNG file");
    const small = encode({
      width: 14,
      height: 28,
      data: new Uint8Array(392),
      channels: 1,
      depth: 8,
    });
    await refuses(small, "has 14x28 pixels: it must have 28x28");
    await refuses(picture(new Uint8Array(784), 1), "is all black");
    // Decoding either would take too much memory.
    const vast = picture(new Uint8Array(784).fill(255), 1).slice();
    new DataView(vast.buffer).setUint32(16, 2 ** 30);
    await refuses(vast, "has 1073741824x28 pixels");
    await refuses(new Uint8Array(70_000), "has 70000 bytes, more than such a picture needs");
  },
});

Deno.test("pickImages() picks an image for each label, and none twice", () => {
  const labels = Uint8Array.from({ length: 40 }, (_, i) => i % 10);
  const images = Uint8Array.from({ length: 40 * 784 }, (_, i) => Math.floor(i / 784));
  const asked = Int32Array.of(3, 3, 7, 3, 3);
  const pick = (seed: number) =>
    pickImages({ images, labels }, asked, { random: randomStream(seed), classNames });
  const picked = pick(1);
  assertEquals([...picked.labels], [...asked]);
  const numbers = [0, 1, 2, 3, 4].map((i) => picked.images[784 * i]!);
  assertEquals(numbers.map((number) => number % 10), [...asked]);
  assertEquals(new Set(numbers).size, 5);
  assertEquals(pick(1), picked);
  const message = "there are only 4 held-out images of the class Sandal: lower --samples";
  assertThrows(
    () =>
      pickImages({ images, labels }, new Int32Array(5).fill(5), {
        random: randomStream(1),
        classNames,
      }),
    UserError,
    message,
  );
});
