import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { UserError } from "../../base/errors.ts";
import type { FeatureRows } from "../../metrics/feature_statistics.ts";
import { mauve, mauveOfHistograms } from "../../metrics/mauve.ts";

Deno.test("mauveOfHistograms() gives the values of the authors' program", () => {
  // mauve-text 0.4.0 on these counts, with a scaling factor of 5 and of 1.
  const cases = [
    [[1, 0], [0, 1], 0.0040720962619612555, 0.5],
    [[4, 3, 2, 1], [1, 2, 3, 4], 0.6538536633533254, 0.9737737476169654],
    [[10, 0, 5], [5, 5, 5], 0.4811827352869352, 0.9433275093823217],
    [[7, 1, 1, 1], [6, 2, 1, 1], 0.9932465389072718, 0.9997110895336464],
    [[1, 1, 1, 1], [1, 1, 1, 0], 0.6620836461535138, 0.9700366527684141],
  ] as const;
  for (const [p, q, byFive, byOne] of cases) {
    assertAlmostEquals(mauveOfHistograms(p, q), byFive, 1e-12);
    assertAlmostEquals(mauveOfHistograms(q, p), byFive, 1e-12);
    assertAlmostEquals(mauveOfHistograms(p, q, { scalingFactor: 1 }), byOne, 1e-12);
  }
});

Deno.test("mauveOfHistograms() gives 1 when the shares are equal", () => {
  assertEquals(mauveOfHistograms([3, 0, 1], [6, 0, 2]), 1);
});

Deno.test("mauveOfHistograms() throws when lengths differ or counts are missing", () => {
  assertThrows(() => mauveOfHistograms([1], [1, 2]), RangeError, "of 1 and of 2 buckets");
  assertThrows(() => mauveOfHistograms([0, 0], [1, 2]), RangeError, "p contains no counts: 0,0");
  assertThrows(() => mauveOfHistograms([1, 2], [1, NaN]), RangeError, "q contains no counts");
});

/** Vectors near the axes, with small deviations: every clustering separates them. */
function features(counts: readonly number[], shift: number): FeatureRows {
  const rows: number[][] = [];
  counts.forEach((count, axis) => {
    for (let i = 0; i < count; i++) {
      const k = rows.length;
      const row = Array.from({ length: 6 }, (_, j) => 0.02 * Math.sin(1.7 * k + j + shift));
      row[axis]! += 2 + 0.1 * Math.cos(k + shift);
      rows.push(row);
    }
  });
  return { data: Float64Array.from(rows.flat()), width: 6 };
}

Deno.test("mauve() gives the value of the authors' program when clusters are well separated", () => {
  // mauve-text 0.4.0 with faiss's k-means on the same vectors, num_buckets=4.
  const [p, q] = [features([12, 8, 6, 4], 1), features([5, 9, 6, 10], 2)];
  assertAlmostEquals(mauve(p, q, { buckets: 4 }), 0.8952036700292407, 1e-12);
  assertEquals(mauve(p, q, { seed: 3 }), mauve(p, q, { seed: 3 }));
  assertAlmostEquals(mauve(p, p, { buckets: 4 }), 1, 1e-12);
});

Deno.test("mauve() gives 1 when all vectors are equal", () => {
  const rows = { data: new Float64Array(8).fill(1), width: 2 };
  assertEquals(mauve(rows, rows), 1);
});

Deno.test("mauve() throws when features cannot be compared or there are too many buckets", () => {
  const rows = features([2, 2], 0);
  assertThrows(() => mauve(rows, { ...rows, width: 3 }), UserError, "features of length 6");
  const infinite = { data: Float64Array.of(1, Infinity, 1, 1), width: 2 };
  assertThrows(
    () => mauve(infinite, infinite),
    UserError,
    "is Infinity; it must be a finite number",
  );
  assertThrows(() => mauve(rows, rows, { buckets: 9 }), RangeError, "9 buckets for 8 vectors");
});
