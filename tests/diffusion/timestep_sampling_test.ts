import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  drawTimesteps,
  type TimestepDraw,
  timestepDraws,
} from "../../diffusion/timestep_sampling.ts";
import { UserError } from "../../base/errors.ts";
import { randomStream } from "../../nn/random.ts";

const draw = (name: TimestepDraw, count: number, T: number, seed = 0) =>
  drawTimesteps(randomStream(seed).stream("timesteps"), count, T, name);

for (const name of timestepDraws) {
  Deno.test(`drawTimesteps() samples every timestep equally often when ${name}`, () => {
    const [T, batches, size] = [10, 3000, 7];
    const counts = new Float64Array(T);
    for (let seed = 0; seed < batches; seed++) {
      const timesteps = draw(name, size, T, seed);
      assertEquals(timesteps.length, size);
      timesteps.forEach((t) => counts[t]!++);
    }
    const expected = batches * size / T;
    // Pearson's chi-squared of independent samples with 9 degrees of freedom exceeds 28 once in a thousand
    // times; antithetic pairs vary at most twice as much.
    const chi = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
    assert(chi < 56, `${counts}`);
    assertEquals(counts.reduce((a, b) => a + b), batches * size, "a timestep is out of range");
  });
}

Deno.test("drawTimesteps() mirrors the first half when antithetic", () => {
  assertEquals(draw("antithetic", 8, 1000).length, 8);
  const even = draw("antithetic", 8, 1000);
  for (let i = 0; i < 4; i++) assertEquals(even[i]! + even[i + 4]!, 999);
  const odd = draw("antithetic", 5, 1000);
  assertEquals([odd[0]! + odd[3]!, odd[1]! + odd[4]!], [999, 999]);
  assert(new Set(even).size > 4, "not all the same");
});

Deno.test("drawTimesteps() samples one from each part of equal length when low_discrepancy", () => {
  for (let seed = 0; seed < 20; seed++) {
    const parts = Array.from(draw("low_discrepancy", 16, 1600, seed), (t) => Math.floor(t / 100));
    assertEquals(parts.toSorted((a, b) => a - b), Array.from({ length: 16 }, (_, i) => i));
  }
});

Deno.test("drawTimesteps() depends on the stream alone and throws when an argument is invalid", () => {
  assertEquals(draw("antithetic", 6, 100), draw("antithetic", 6, 100));
  assertThrows(() => draw("uniform", 0, 100), UserError, "count is 0");
  assertThrows(() => draw("uniform", 4, 0), UserError, "numTrainTimesteps is 0");
  assertThrows(() => draw("sobol" as "uniform", 4, 9), UserError, 'draw is "sobol"');
});
