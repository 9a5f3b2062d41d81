import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { interpolateNoise, slerp } from "../../diffusion/interpolate.ts";
import { UserError } from "../../base/errors.ts";
import { randomStream } from "../../nn/random.ts";
import { assertAllClose } from "../assert_close.ts";

const [a, b] = [randomStream(1).normal(64), randomStream(2).normal(64)];
const norm = (x: Float32Array) => Math.sqrt(x.reduce((sum, value) => sum + value * value, 0));
const unit = (x: Float32Array) => x.map((value) => value / norm(x));

Deno.test("slerp() returns a and b when the fraction is 0 and 1", () => {
  assertAllClose(slerp(a, b, 0), a, { atol: 1e-6 });
  assertAllClose(slerp(a, b, 1), b, { atol: 1e-6 });
});

Deno.test("slerp() follows the quarter circle when the vectors are perpendicular", () => {
  const [x, y] = [Float32Array.of(1, 0), Float32Array.of(0, 1)];
  for (const fraction of [.25, .5, .8]) {
    const angle = fraction * Math.PI / 2;
    assertAllClose(slerp(x, y, fraction), [Math.cos(angle), Math.sin(angle)], { atol: 1e-7 });
  }
});

Deno.test("slerp() keeps the length and divides the angle when the lengths are equal", () => {
  const [u, v] = [unit(a), unit(b)];
  const angle = Math.acos(u.reduce((sum, value, i) => sum + value * v[i]!, 0));
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1, noNaN: true }), (fraction) => {
      const between = slerp(u, v, fraction);
      assertAlmostEquals(norm(between), 1, 1e-6);
      const cosine = between.reduce((sum, value, i) => sum + value * u[i]!, 0);
      assertAlmostEquals(cosine, Math.cos(fraction * angle), 1e-6);
    }),
    { seed: 1 },
  );
});

Deno.test("slerp() is linear when the vectors are almost parallel", () => {
  assertAllClose(slerp(a, a, .3), a, { atol: 1e-6 });
  assertAllClose(slerp(a, a.map((v) => 3 * v), .5), a.map((v) => 2 * v), { atol: 1e-5 });
});

Deno.test("interpolateNoise() returns a batch from one end to the other", () => {
  const batch = interpolateNoise(a, b, 5);
  assertEquals(batch.length, 5 * 64);
  for (const i of [0, 1, 2, 3, 4]) {
    assertEquals(batch.slice(i * 64, (i + 1) * 64), slerp(a, b, i / 4));
  }
});

Deno.test("slerp() throws when the arc is not defined", () => {
  const refuses = (x: Float32Array, y: Float32Array, fraction: number, message: string) =>
    assertThrows(() => slerp(x, y, fraction), UserError, message);
  refuses(a, b.subarray(1), .5, "two noises of 64 and 63 numbers");
  refuses(a, new Float32Array(64), .5, "a noise of zeros");
  refuses(a, a.map((v) => -v), .5, "opposite directions");
  refuses(a, b, NaN, "fraction is NaN");
  assertThrows(() => interpolateNoise(a, b, 1), UserError, "count is 1");
});
