import { assert, assertEquals, assertThrows } from "@std/assert";
import { encodeGif } from "../../report/gif.ts";
import type { Picture } from "../../report/picture.ts";

/** A picture of 2x1 pixels. */
const pair = (left: number[], right: number[]): Picture => ({
  width: 2,
  height: 1,
  channels: 3,
  data: Uint8Array.of(...left, ...right),
});
const grey = (value: number) => [value, value, value];

/** Reads a GIF file of 256 colors by the specification (GIF89a). */
function decodeGif(bytes: Uint8Array) {
  const text = (from: number, to: number) => String.fromCharCode(...bytes.subarray(from, to));
  const word = (at: number) => bytes[at]! | (bytes[at + 1]! << 8);
  const [signature, width, height] = [text(0, 6), word(6), word(8)];
  const tableSize = 3 * 2 ** ((bytes[10]! & 7) + 1);
  let colors = bytes.subarray(13, 13 + tableSize);
  let at = 13 + tableSize;
  const frames: { delay: number; pixels: number[][] }[] = [];
  let [delay, repeats] = [0, undefined as number | undefined];
  const blocks = () => {
    const data: number[] = [];
    while (bytes[at] !== 0) {
      data.push(...bytes.subarray(at + 1, at + 1 + bytes[at]!));
      at += 1 + bytes[at]!;
    }
    at++;
    return data;
  };
  while (bytes[at] !== 0x3b) {
    if (bytes[at] === 0x21) {
      const label = bytes[at + 1];
      at += 2;
      const start = at;
      const data = blocks();
      if (label === 0xf9) delay = 10 * word(start + 2);
      if (label === 0xff) repeats = data[12]! | (data[13]! << 8);
      continue;
    }
    const local = bytes[at + 9]! & 0x80;
    const localSize = local ? 3 * 2 ** ((bytes[at + 9]! & 7) + 1) : 0;
    at += 10;
    if (local) colors = bytes.subarray(at, at + localSize);
    at += localSize;
    const minimum = bytes[at++]!;
    const pixels = decompress(blocks(), minimum)
      .map((index) => [...colors.subarray(3 * index, 3 * index + 3)]);
    frames.push({ delay, pixels });
  }
  return { signature, width, height, repeats, frames };
}

/** LZW with variable-length codes, as in appendix F. */
function decompress(data: number[], minimum: number): number[] {
  const clear = 1 << minimum;
  let [table, size, previous] = [[] as number[][], minimum + 1, undefined as number[] | undefined];
  const reset = () => {
    table = Array.from({ length: clear + 2 }, (_, i) => i < clear ? [i] : []);
    [size, previous] = [minimum + 1, undefined];
  };
  reset();
  const out: number[] = [];
  for (let bit = 0;;) {
    let code = 0;
    for (let i = 0; i < size; i++, bit++) code |= ((data[bit >> 3]! >> (bit & 7)) & 1) << i;
    if (code === clear + 1) return out;
    if (code === clear) {
      reset();
      continue;
    }
    const entry: number[] = table[code] ?? [...previous!, previous![0]!];
    out.push(...entry);
    if (previous !== undefined) table.push([...previous, entry[0]!]);
    if (table.length === 1 << size && size < 12) size++;
    previous = entry;
  }
}

Deno.test("encodeGif() writes every frame with its colors and its delay", () => {
  const file = decodeGif(encodeGif([
    pair(grey(0), grey(255)),
    pair([36, 41, 47], grey(255)),
    pair([208, 215, 222], [36, 41, 47]),
  ], { delay: 40, hold: 1500 }));
  assertEquals([file.signature, file.width, file.height], ["GIF89a", 2, 1]);
  assertEquals(file.repeats, 0, "repeats forever");
  assertEquals(file.frames, [
    { delay: 40, pixels: [grey(0), grey(255)] },
    { delay: 40, pixels: [[36, 41, 47], grey(255)] },
    { delay: 1500, pixels: [[208, 215, 222], [36, 41, 47]] },
  ]);
});

Deno.test("encodeGif() changes greys by at most one shade, also in pictures of one channel", () => {
  const data = Uint8Array.from({ length: 256 }, (_, i) => i);
  const { frames } = decodeGif(encodeGif([{ width: 16, height: 16, channels: 1, data }]));
  frames[0]!.pixels.forEach(([red, green, blue], i) => {
    assertEquals([red, green], [green, blue]);
    assertEquals(Math.abs(red! - i) <= 1, true, `${i} became ${red}`);
  });
});

Deno.test("encodeGif() throws when there are no frames, or different sizes", () => {
  assertThrows(() => encodeGif([]), RangeError, "needs a frame");
  const tall = { width: 1, height: 2, channels: 3, data: new Uint8Array(6) } as const;
  assertThrows(
    () => encodeGif([pair(grey(0), grey(1)), tall]),
    RangeError,
    "frames must have the same size: 1x2 is not 2x1",
  );
});

Deno.test("encodeGif() keeps colors close when there are more than a palette has", () => {
  const side = 20; // a gradient of 400 colors
  const data = Uint8Array.from({ length: 3 * side ** 2 }, (_, i) => {
    const [pixel, channel] = [Math.floor(i / 3), i % 3];
    return 12 * [pixel % side, Math.floor(pixel / side), 3][channel]!;
  });
  const { frames } = decodeGif(encodeGif([{ width: side, height: side, channels: 3, data }]));
  frames[0]!.pixels.forEach((color, i) =>
    color.forEach((value, channel) => {
      const expected = data[3 * i + channel]!;
      assert(Math.abs(value - expected) <= 16, `${i}: ${expected} became ${value}`);
    })
  );
});
