import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { UserError } from "../../base/errors.ts";
import { type FeatureRows, featureStatistics } from "../../metrics/feature_statistics.ts";
import { frechetDistance } from "../../metrics/frechet_distance.ts";
import { kernelDistance } from "../../metrics/kernel_distance.ts";
import { assertAllClose } from "../assert_close.ts";
import { fixtureJson, hasFixture } from "../fixtures.ts";

const ignore = !hasFixture("distances.json");

async function reference() {
  const { a, b, shape, frechet_distance, kid_unbiased_one_block } = await fixtureJson(
    "distances.json",
  );
  const rows = (values: number[]): FeatureRows => ({
    data: Float64Array.from(values),
    width: shape[1],
  });
  return { a: rows(a), b: rows(b), frechet: frechet_distance, kernel: kid_unbiased_one_block };
}

Deno.test("frechetDistance() gives scipy's value for two small sets", { ignore }, async () => {
  const { a, b, frechet } = await reference();
  assertAllClose([frechetDistance(featureStatistics(a), featureStatistics(b))], [frechet], {
    rtol: 1e-5,
  });
});

Deno.test("frechetDistance() gives the closed form of normal distributions in one dimension", () => {
  const statistics = (mean: number, variance: number) => ({
    count: 2,
    mean: Float64Array.of(mean),
    covariance: Float64Array.of(variance),
  });
  // (m1 - m2)^2 + (s1 - s2)^2
  assertAllClose([frechetDistance(statistics(1, 4), statistics(4, 25))], [18], { rtol: 1e-12 });
  assertEquals(frechetDistance(statistics(3, 0), statistics(3, 0)), 0);
});

Deno.test("frechetDistance() throws when the features' lengths differ", () => {
  const of = (width: number) => ({
    count: 2,
    mean: new Float64Array(width),
    covariance: new Float64Array(width * width),
  });
  assertThrows(() => frechetDistance(of(2), of(3)), UserError, "length 2");
});

Deno.test(
  "kernelDistance() gives scikit-learn's value for two small sets",
  { ignore },
  async () => {
    const { a, b, kernel } = await reference();
    assertAllClose([await kernelDistance(a, b)], [kernel], { rtol: 1e-5 });
  },
);

Deno.test("kernelDistance() names a feature when it is not finite", async () => {
  const good = { data: Float64Array.of(1, 2, 3, 4), width: 2 };
  const bad = { data: Float64Array.of(1, 2, NaN, 4), width: 2 };
  await assertRejects(() => kernelDistance(good, bad), UserError, "feature 0 of sample 1");
});
