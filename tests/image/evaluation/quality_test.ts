import { assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { float32 } from "../../../engine/tree.ts";
import { UserError } from "../../../base/errors.ts";
import { type FeatureRows, featureStatistics } from "../../../metrics/feature_statistics.ts";
import { measureQuality } from "../../../image/evaluation/quality.ts";
import { evenIndices } from "../../../metrics/arrays.ts";
import { weightsHash } from "../../../training/checkpoint/weights_identity.ts";

/** The features s sin(1.7 i^2 (j + 1) + s j) + s, which NumPy can compute too. */
function features(count: number, s: number): FeatureRows {
  const data = Float64Array.from({ length: count * 3 }, (_, at) => {
    const [i, j] = [Math.floor(at / 3), at % 3];
    return s * Math.sin(1.7 * i * i * (j + 1) + s * j) + s;
  });
  return { data, width: 3 };
}

const rows = features(30, 0.5);
const real = { rows, statistics: featureStatistics(rows) };

Deno.test("measureQuality() gives the values of NumPy and SciPy", async () => {
  const found = await measureQuality({
    features: features(12, 0.9),
    classes: Int32Array.from({ length: 12 }, (_, i) => i % 3),
    labels: Int32Array.from({ length: 12 }, (_, i) => i % 2),
  }, real);
  // scipy.linalg.sqrtm of numpy.cov's product; the unbiased kernel estimate written out in NumPy.
  assertAlmostEquals(found.fid, 0.9405524914744314, 1e-9);
  assertAlmostEquals(found.kid, 3.1095128925459736, 1e-9);
  // scipy's cdist, on 12 of the 30 real rows: floor((arange(12) + 0.5) * 30 / 12).
  assertAlmostEquals(found.precision, 5 / 12, 1e-12);
  assertEquals(found.recall, 1);
  assertEquals(found.classAgreement, 4 / 12); // i = 0, 1, 6 and 7
});

Deno.test("measureQuality() has no class agreement without labels", async () => {
  const seen = { features: features(5, 0.9), classes: new Int32Array(5), labels: undefined };
  assertEquals((await measureQuality(seen, real)).classAgreement, undefined);
});

Deno.test("measureQuality() refuses fewer images than a neighbourhood has", async () => {
  const seen = { features: features(3, 0.9), classes: new Int32Array(3), labels: undefined };
  await assertRejects(() => measureQuality(seen, real), UserError, "at least 4 samples");
});

Deno.test("evenIndices() takes one of each class from a list that is sorted by class", () => {
  const classOf = (index: number) => Math.floor(index * 10 / 2048);
  assertEquals([...evenIndices(2048, 10)].map(classOf), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  assertEquals([...evenIndices(30, 12)], [1, 3, 6, 8, 11, 13, 16, 18, 21, 23, 26, 28]); // NumPy's
  assertEquals([...evenIndices(3, 5)], [0, 1, 2]);
});

Deno.test("weightsHash() equals hashlib's hash of names and float16 values, in any order of parameters", () => {
  const weights = {
    b: float32(Float32Array.of(1, -2.5, 3.14159)),
    "a.x": float32(Float32Array.of(0.1)),
  };
  const expected = "98eb202885bc5ac4aafce3e2262341ac0b5cf04223ff3402e1a7bf3ca80eed25";
  assertEquals(weightsHash(weights), expected);
  const rounded = { ...weights, "a.x": float32(Float32Array.of(Math.f16round(0.1))) };
  assertEquals(weightsHash(rounded), expected);
  const other = { ...weights, "a.x": float32(Float32Array.of(0.11)) };
  assertEquals(weightsHash(other) === expected, false);
});
