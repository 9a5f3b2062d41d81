import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { formatIdx, parseIdx } from "../../datasets/idx.ts";
import { UserError } from "../../base/errors.ts";

// A file written by hand from the description of the format.
const MATRIX = Uint8Array.of(0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 10, 20, 30, 40, 50, 60);

Deno.test("parseIdx() reads shape and elements when a file is valid", () => {
  assertEquals(parseIdx(MATRIX), { shape: [2, 3], data: Uint8Array.of(10, 20, 30, 40, 50, 60) });
  assertEquals(parseIdx(Uint8Array.of(0, 0, 8, 1, 0, 0, 0, 0)), {
    shape: [0],
    data: new Uint8Array(0),
  });
});

Deno.test("parseIdx() reads from the view's start when bytes are part of a larger buffer", () => {
  const padded = new Uint8Array(7 + MATRIX.length);
  padded.set(MATRIX, 7);
  assertEquals(parseIdx(padded.subarray(7)).shape, [2, 3]);
});

const changed = (at: number, value: number) => MATRIX.with(at, value);
const BAD: [string, Uint8Array<ArrayBuffer>, string][] = [
  ["the file is empty", new Uint8Array(0), "0 bytes are too few for the 4-byte start"],
  ["the start is cut", MATRIX.slice(0, 3), "3 bytes are too few"],
  ["byte 0 is not zero", changed(0, 0x1f), "begins with 0x1f 0x00"],
  ["byte 1 is not zero", changed(1, 0x8b), "begins with 0x00 0x8b"],
  ["the type is not unsigned bytes", changed(2, 0x0d), "byte 2 announces 32-bit floats (0x0d)"],
  ["the type is unknown", changed(2, 0x0a), "byte 2 is 0x0a, which is no IDX type"],
  ["there are no dimensions", changed(3, 0), "byte 3 announces no dimensions"],
  ["the dimensions are cut", MATRIX.slice(0, 11), "announces 2 dimensions, which end at byte 12"],
  [
    "the header is of 200 dimensions",
    Uint8Array.from({ length: 804 }, (_, i) => [0, 0, 8, 200][i] ?? 1),
    "the shape [16843009, 16843009, 16843009, 16843009, 16843009, 16843009, 16843009, 16843009, ... " +
    "(200 dimensions)] at byte 4",
  ],
  ["there are 255 dimensions", changed(3, 255), "announces 255 dimensions, which end at byte 1024"],
  [
    "an element is missing",
    MATRIX.slice(0, -1),
    "truncated: the shape [2, 3] at byte 4 asks for 6",
  ],
  [
    "there is one element too many",
    Uint8Array.of(...MATRIX, 1),
    "too long: the shape [2, 3] at byte 4",
  ],
  ["a dimension is huge", changed(4, 0xff), "truncated: the shape [4278190082, 3]"],
];
for (const [when, bytes, message] of BAD) {
  Deno.test(`parseIdx() names the file and the byte when ${when}`, () => {
    const error = assertThrows(() => parseIdx(bytes, { name: "x-ubyte" }), UserError, message);
    assertEquals(error.message.startsWith("x-ubyte: "), true);
  });
}

Deno.test("parseIdx() allocates nothing when the product of the dimensions overflows", () => {
  const bytes = new Uint8Array(4 + 4 * 255).fill(0xff);
  bytes.set([0, 0, 8, 255]);
  assertThrows(() => parseIdx(bytes), UserError, "asks for Infinity bytes");
  bytes.fill(0, 4, 8); // one dimension of 0 makes the array empty
  assertEquals(parseIdx(bytes).data.length, 0);
});

Deno.test("parseIdx() returns all elements or throws a UserError when a file is mutated", () => {
  const edit = fc.tuple(fc.nat(MATRIX.length - 1), fc.integer({ min: 0, max: 255 }));
  fc.assert(
    fc.property(fc.array(edit, { maxLength: 4 }), fc.nat(20), (edits, length) => {
      const bytes = MATRIX.slice(0, length);
      for (const [at, value] of edits) bytes[at] = value;
      try {
        const { shape, data } = parseIdx(bytes);
        assertEquals(shape.reduce((product, n) => product * n, 1), data.length);
        assertEquals(data.length, bytes.length - 4 - 4 * shape.length);
      } catch (error) {
        if (!(error instanceof UserError)) throw error;
      }
    }),
    { seed: 1, numRuns: 2000 },
  );
});

Deno.test("formatIdx() writes the format's bytes when given a matrix", () => {
  const data = Uint8Array.of(10, 20, 30, 40, 50, 60);
  assertEquals(formatIdx({ shape: [2, 3], data }), MATRIX);
});
