import { assert, assertAlmostEquals, assertEquals, assertNotEquals } from "@std/assert";
import fc from "fast-check";
import { randomStream, threefry2x32 } from "../../nn/random.ts";

const hexadecimal = (words: readonly number[]) =>
  words.map((word) => word.toString(16).padStart(8, "0")).join(" ");

Deno.test("threefry2x32() gives the known answers of Random123 for 20 rounds", () => {
  const known = (...words: [number, number, number, number]) => hexadecimal(threefry2x32(...words));
  const ones = 0xffffffff;
  assertEquals(known(0, 0, 0, 0), "6b200159 99ba4efe");
  assertEquals(known(ones, ones, ones, ones), "1cb996fc bb002be7");
  assertEquals(
    known(0x13198a2e, 0x03707344, 0x243f6a88, 0x85a308d3),
    "c4923a9c 483df7a0",
  );
});

/** Mean, variance, skewness and excess kurtosis. */
function moments(values: Float32Array): [number, number, number, number] {
  const average = (fn: (value: number) => number) =>
    values.reduce((sum, value) => sum + fn(value), 0) / values.length;
  const mean = average((value) => value);
  const variance = average((value) => (value - mean) ** 2);
  const standard = (power: number) => average((v) => ((v - mean) / Math.sqrt(variance)) ** power);
  return [mean, variance, standard(3), standard(4) - 3];
}

// Tolerances below are five standard errors for this many numbers.
const DRAWS = 200_000;

Deno.test("normal() has the moments of the standard normal distribution", () => {
  const values = randomStream(3).normal(DRAWS);
  const [mean, variance, skewness, kurtosis] = moments(values);
  assertAlmostEquals(mean, 0, 5 / Math.sqrt(DRAWS));
  assertAlmostEquals(variance, 1, 5 * Math.sqrt(2 / DRAWS));
  assertAlmostEquals(skewness, 0, 5 * Math.sqrt(6 / DRAWS));
  assertAlmostEquals(kurtosis, 0, 5 * Math.sqrt(24 / DRAWS));
  const beyond = (limit: number) => values.filter((v) => Math.abs(v) > limit).length / DRAWS;
  assertAlmostEquals(beyond(1), 0.317311, 0.0053);
  assertAlmostEquals(beyond(3), 0.0027, 0.0006);
  assert(values.every(Number.isFinite));
});

Deno.test("uniform() has the moments of the uniform distribution and stays in its range", () => {
  const values = randomStream(4).uniform(DRAWS);
  const [mean, variance, skewness] = moments(values);
  assertAlmostEquals(mean, 1 / 2, 5 * Math.sqrt(1 / 12 / DRAWS));
  assertAlmostEquals(variance, 1 / 12, 5 * Math.sqrt(1 / 180 / DRAWS));
  assertAlmostEquals(skewness, 0, 0.03);
  assert(values.every((value) => value >= 0 && value < 1));
  const moved = randomStream(4).uniform(1000, -3, 5);
  assert(moved.every((value) => value >= -3 && value < 5));
  assert(moved.some((value) => value < -2.9) && moved.some((value) => value > 4.9));
});

Deno.test("uniform() stays below the end of a range when float32 would round up to it", () => {
  const cases = [[1, 1 + 2 ** -22], [1000, 1000.001], [-1000.001, -1000], [-1e-45, 0], [0.1, 0.3]];
  for (const [low, high] of cases as [number, number][]) {
    const values = randomStream(6).uniform(1000, low, high);
    assert(values.every((value) => value >= Math.fround(low) && value < high), `${low}, ${high}`);
    // All float32 numbers of such a range occur.
    if (low === 1) assertEquals([...new Set(values)].sort(), [1, 1 + 2 ** -23]);
  }
});

Deno.test("next() is in [0, 1) and fills both halves of its 53 bits", () => {
  const random = randomStream(5);
  const values = Array.from({ length: 20_000 }, () => random.next());
  assert(values.every((value) => value >= 0 && value < 1));
  const low = values.map((value) => value * 2 ** 26 % 1);
  assertAlmostEquals(low.reduce((a, b) => a + b) / low.length, 0.5, 0.011);
  assertEquals(values.every((value) => Number.isInteger(value * 2 ** 53)), true);
  assertEquals(new Set(values).size, values.length);
});

Deno.test("integers() returns every integer of the range equally often", () => {
  const counts = new Map<number, number>();
  for (const value of randomStream(6).integers(70_000, -3, 4)) {
    counts.set(value, (counts.get(value) ?? 0) + 1);
  }
  assertEquals([...counts.keys()].sort((a, b) => a - b), [-3, -2, -1, 0, 1, 2, 3]);
  // Chi-squared with 6 degrees of freedom: above 27.9 once in ten thousand.
  const chi = [...counts.values()].reduce((sum, n) => sum + (n - 10_000) ** 2 / 10_000, 0);
  assert(chi < 27.9, `chi-squared ${chi}`);
});

Deno.test("permutation() returns every permutation equally often", () => {
  for (const length of [0, 1, 2, 17, 1000]) {
    const order = randomStream(length).permutation(length);
    assertEquals([...order].sort((a, b) => a - b), Array.from({ length }, (_, i) => i));
  }
  const counts = new Map<string, number>();
  for (let i = 0; i < 24_000; i++) {
    const order = randomStream(7).at(i).permutation(4).join();
    counts.set(order, (counts.get(order) ?? 0) + 1);
  }
  assertEquals(counts.size, 24);
  // Chi-squared with 23 degrees of freedom: above 55 once in five thousand.
  const chi = [...counts.values()].reduce((sum, n) => sum + (n - 1000) ** 2 / 1000, 0);
  assert(chi < 55, `chi-squared ${chi}`);
});

/** The correlation of two lists of normal numbers, in standard errors. */
function correlation(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, value, i) => sum + value * b[i]!, 0) / Math.sqrt(a.length);
}

Deno.test("streams are independent when purpose, step or seed differ", () => {
  const n = 20_000;
  const root = randomStream(1);
  const streams = {
    root,
    noise: root.stream("noise"),
    Noise: root.stream("Noise"),
    weights: root.stream("weights"),
    "step 0": root.at(0),
    "step 1": root.at(1),
    "step 2^32": root.at(2 ** 32),
    "noise at 1": root.stream("noise").at(1),
    "at 1, noise": root.at(1).stream("noise"),
    "seed 2": randomStream(2),
    "seed 1 + 2^32": randomStream(1 + 2 ** 32),
    "seed 2^53 - 1": randomStream(2 ** 53 - 1),
  };
  const drawn = Object.entries(streams).map(([name, stream]) => [name, stream.normal(n)] as const);
  for (const [i, [name, values]] of drawn.entries()) {
    for (const [other, others] of drawn.slice(i + 1)) {
      const found = correlation(values, others);
      assert(Math.abs(found) < 5, `${name} and ${other}: ${found} standard errors`);
      assertNotEquals(values[0], others[0], `${name} and ${other}`);
    }
    const [now, later] = [values.subarray(0, n - 1), values.subarray(1)];
    assert(Math.abs(correlation(now, later)) < 5, `${name} with itself, moved by one`);
  }
});

Deno.test("at() returns the same numbers when a run resumes there", () => {
  const whole = randomStream(11).stream("noise");
  const steps = Array.from({ length: 6 }, (_, step) => whole.at(step).normal(5));
  const resumed = randomStream(11).stream("noise");
  for (const step of [4, 5, 0]) assertEquals(resumed.at(step).normal(5), steps[step]);
});

Deno.test("stream() and at() do not depend on earlier numbers", () => {
  const [fresh, used] = [randomStream(12), randomStream(12)];
  used.normal(7);
  used.next();
  assertEquals(used.stream("a").at(3).uniform(4), fresh.stream("a").at(3).uniform(4));
});

Deno.test("a stream returns the same numbers when they are requested at once or in even parts", () => {
  fc.assert(
    fc.property(
      fc.nat(2 ** 32),
      fc.array(fc.integer({ min: 0, max: 8 }), { maxLength: 6 }),
      (seed, halves) => {
        const [whole, parts] = [randomStream(seed), randomStream(seed)];
        const lengths = halves.map((half) => 2 * half);
        const drawn = lengths.flatMap((length) => [...parts.normal(length)]);
        assertEquals(drawn, [...whole.normal(drawn.length)]);
      },
    ),
    { seed: 1, numRuns: 50 },
  );
});
