import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { toModelRange, toPixels } from "../../datasets/pixels.ts";

Deno.test("toModelRange() maps 0 to -1 and 255 to 1", () => {
  const values = toModelRange(Uint8Array.of(0, 51, 255));
  assertEquals([values[0], values[2]], [-1, 1]);
  assertAlmostEquals(values[1]!, -0.6, 1e-7);
});

Deno.test("toPixels() is the inverse of toModelRange()", () => {
  const all = Uint8Array.from({ length: 256 }, (_, i) => i);
  assertEquals(toPixels(toModelRange(all)), all);
});

Deno.test("toPixels() rounds values between pixels and clamps values outside the range", () => {
  const values = Float32Array.of(-1.5, -Infinity, 1.01, Infinity, 0, -0.999, 0.996);
  assertEquals([...toPixels(values)], [0, 0, 255, 255, 128, 0, 254]);
});

Deno.test("toPixels() throws when a value is NaN", () => {
  assertThrows(() => toPixels(Float32Array.of(0, NaN)), RangeError, "value 1 of 2 is NaN");
});
