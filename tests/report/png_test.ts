import { assertEquals, assertThrows } from "@std/assert";
import { crc32, inflateSync } from "node:zlib";
import { toPixels } from "../../datasets/pixels.ts";
import { encodePng } from "../../report/png.ts";

/** Decodes a PNG file of 8 bits per channel by the specification (W3C, PNG, 5 to 9). */
function decodePng(bytes: Uint8Array): {
  width: number;
  height: number;
  channels: number;
  data: Uint8Array;
} {
  assertEquals([...bytes.subarray(0, 8)], [137, 80, 78, 71, 13, 10, 26, 10]);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const chunks: [string, Uint8Array][] = [];
  for (let at = 8; at < bytes.length;) {
    const length = view.getUint32(at);
    const kind = new TextDecoder().decode(bytes.subarray(at + 4, at + 8));
    assertEquals(view.getUint32(at + 8 + length), crc32(bytes.subarray(at + 4, at + 8 + length)));
    chunks.push([kind, bytes.slice(at + 8, at + 8 + length)]);
    at += 12 + length;
  }
  assertEquals([chunks[0]![0], chunks.at(-1)![0]], ["IHDR", "IEND"]);
  const header = new DataView(chunks[0]![1].buffer);
  const [width, height] = [header.getUint32(0), header.getUint32(4)];
  const [depth, color, ...methods] = chunks[0]![1].subarray(8);
  assertEquals([depth, ...methods], [8, 0, 0, 0]);
  const channels = { 0: 1, 2: 3 }[color!]!;
  const packed = chunks.filter(([kind]) => kind === "IDAT").map(([, data]) => data);
  const lines = inflateSync(Uint8Array.from(packed.flatMap((part) => [...part])));
  const stride = width * channels;
  assertEquals(lines.length, height * (stride + 1));
  const data = new Uint8Array(height * stride);
  for (let y = 0; y < height; y++) {
    const filter = lines[y * (stride + 1)]!;
    for (let x = 0; x < stride; x++) {
      const left = x < channels ? 0 : data[y * stride + x - channels]!;
      const up = y === 0 ? 0 : data[(y - 1) * stride + x]!;
      const corner = x < channels || y === 0 ? 0 : data[(y - 1) * stride + x - channels]!;
      const p = left + up - corner;
      const distances = [left, up, corner].map((value) => Math.abs(p - value));
      const paeth = [left, up, corner][distances.indexOf(Math.min(...distances))]!;
      const predicted = [0, left, up, (left + up) >> 1, paeth][filter]!;
      data[y * stride + x] = lines[y * (stride + 1) + 1 + x]! + predicted;
    }
  }
  return { width, height, channels, data };
}

for (const channels of [1, 3] as const) {
  Deno.test(`encodePng() writes files that a decoder of the specification reads, ${channels} channels`, () => {
    const picture = {
      width: 7,
      height: 5,
      channels,
      data: Uint8Array.from({ length: 35 * channels }, (_, i) => (i * i * 31) & 255),
    };
    const bytes = encodePng(picture);
    assertEquals(decodePng(bytes), picture);
    assertEquals(encodePng(picture), bytes);
  });
}

Deno.test("encodePng() throws when the data does not fit the size", () => {
  const picture = { width: 2, height: 2, channels: 1 as const };
  for (const length of [0, 3, 5, 8]) {
    assertThrows(() => encodePng({ ...picture, data: new Uint8Array(length) }), RangeError);
  }
});

Deno.test("toPixels() maps [-1, 1] to 0..255, rounds and clips", () => {
  const values = [-1, 1, 0, -5, 5, Infinity, -Infinity, 1 / 127.5 - 1, 0.5 / 127.5 - 1.0001];
  assertEquals([...toPixels(values)], [0, 255, 128, 0, 255, 255, 0, 1, 0]);
  // Every pixel is the same after conversion to [-1, 1] in float32 and back.
  const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
  assertEquals(toPixels(Float32Array.from(bytes, (byte) => byte / 127.5 - 1)), bytes);
  assertThrows(() => toPixels([0, NaN]), RangeError, "value 1");
});
